"""What the README and the recipes name exists."""

import re
from pathlib import Path

import pytest

from lib.skeleton import list_skeletons

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_readme_names_every_format_and_every_tool():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in list_skeletons():
        assert re.sub(r"-(left|right|config\d|v1)$", "", name) in text, name
    for tool in sorted((ROOT / "tools").glob("*.py")):
        assert tool.name in text, tool.name


def test_the_readme_has_no_open_places():
    assert not re.findall(r"\b[A-Z]+_TABLE\b", (ROOT / "README.md").read_text(encoding="utf-8"))


def test_every_command_of_the_makefile_is_explained():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("setup", "quickstart", "test"):
        assert f"# make {name} " in text and f"\n{name}:" in text
