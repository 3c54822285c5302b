"""The report page: one file that shows everything offline, in a real browser."""

import base64
import re
import shutil
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
import torch

from lib.errors import UserError
from lib.skeleton import load_skeleton
from lib.wild import page as page_module
from lib.wild.page import PageSection, write_page
from lib.wild.page_data import json_block
from lib.wild.records import Flag, WorldMotion
from lib.wild.skin import skin_of
from tests.example_mesh import example_body, example_mesh

FPS, FRAMES, GAP = 30.0, 60, slice(30, 36)
HOW_TO_GET_ONE = "`apt-get install chromium` and `pip install -r requirements-dev.txt`"
ATTACK = '</script><script>document.title="run"</script><img src=x onerror=alert(1)>'


def make_world(name="H36M-17", frames=FRAMES, absent=GAP):
    """A rigid pose that turns and walks 1 m, with a gap, filled-in frames and some doubt."""
    skeleton = load_skeleton(name)
    rng = np.random.default_rng(0)
    pose = rng.uniform([-0.4, 0.0, -0.4], [0.4, 1.8, 0.4], (skeleton.num_joints, 3))
    angle = np.linspace(0, 3, frames)
    zero, one = np.zeros(frames), np.ones(frames)
    turn = np.array(
        [[np.cos(angle), zero, np.sin(angle)], [zero, one, zero], [-np.sin(angle), zero, np.cos(angle)]]
    )
    positions = np.einsum("xyf,jy->fjx", turn, pose) + np.linspace([0, 0, 0], [1, 0, -1], frames)[:, None]
    flag = np.zeros(positions.shape[:2], np.uint8)
    flag[10:14, :3] = Flag.INTERPOLATED
    flag[absent] = Flag.ABSENT
    confidence = np.where(flag == Flag.SEEN, rng.uniform(0.2, 1.0, flag.shape), 0.0)
    positions[flag == Flag.ABSENT] = np.nan
    return WorldMotion(
        positions=positions.astype(np.float32),
        root=skeleton.root_of(positions)[:, 0].astype(np.float32),
        confidence=confidence.astype(np.float32),
        flag=flag,
        time_s=np.arange(frames) / FPS,
        units="m",
        skeleton=skeleton,
        foot_contact=np.ones((frames, 2), bool),
        fps=FPS,
        pitch_deg=5.0,
        notes=("The floor is approximate.",),
    )


def gray_of(frame: int) -> int:
    return 40 + 3 * frame


def make_overlay(path, frames=FRAMES, size=(160, 90)):
    """H.264 in which each frame's brightness is its number."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=int(FPS))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for frame in range(frames):
            picture = np.full((size[1], size[0], 3), gray_of(frame), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def make_page(folder, *, world=None, overlay=True, title="line 3.mp4", **given):
    path = folder / "report.html"
    video = make_overlay(folder / "overlay.mp4") if overlay is True else overlay or None
    texts = {"summary": {"people found": "1"}, "downloads": [], **given}
    write_page(path, world=world or make_world(), overlay=video, title=title, **texts)
    return path


# ---- the file


def test_the_video_is_in_the_page_byte_for_byte(tmp_path):
    path = make_page(tmp_path)
    held = re.search(r'id="video-data">([^<]*)<', path.read_text()).group(1)
    assert base64.b64decode(held) == (tmp_path / "overlay.mp4").read_bytes()


def test_a_large_video_stays_beside_the_page_which_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "EMBED_LIMIT_BYTES", 100)
    text = make_page(tmp_path).read_text()
    assert 'src="./overlay.mp4"' in text and "too large" in text and 'id="video-data"' not in text
    assert len(text) < 200_000


def test_writing_holds_no_copy_of_the_video(tmp_path):
    overlay = tmp_path / "overlay.mp4"
    overlay.write_bytes(bytes(30_000_000))
    world = make_world()
    tracemalloc.start()
    make_page(tmp_path, world=world, overlay=overlay)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
    assert (tmp_path / "report.html").stat().st_size > 40_000_000


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path):
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(UserError, match=r"cannot read the video .*gone\.mp4"):
        make_page(tmp_path, overlay=tmp_path / "gone.mp4")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


def test_downloads_are_relative_and_quoted(tmp_path):
    (tmp_path / "out").mkdir()
    files = [tmp_path / "out" / "a & b#1.csv", tmp_path / "X3D.trc"]
    files[0].write_bytes(b"x" * 2500)
    text = make_page(tmp_path / "out", overlay=False, downloads=files).read_text()
    assert 'href="./a%20%26%20b%231.csv" download>a &amp; b#1.csv</a> <span>table' in text
    assert "2.5 kB" in text and 'href="./../X3D.trc"' in text


def test_given_facts_take_the_place_of_the_page_s_own(tmp_path):
    text = make_page(tmp_path, overlay=False, summary={"Units": "feet"}).read_text()
    assert "<dd>feet</dd>" in text and "metres" not in text
    assert "<dd>6 (10.0%)</dd>" in text  # frames without this person


# ---- in a browser


@pytest.fixture(scope="module")
def browser(request):
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip(f"no chromium to open the page with; get it with {HOW_TO_GET_ONE}")
    api = pytest.importorskip("playwright.sync_api", reason=f"no playwright; get it with {HOW_TO_GET_ONE}")
    with api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", *getattr(request, "param", ())]
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return make_page(tmp_path_factory.mktemp("page"), title="line 3 <b>&amp; 4.mp4")


@contextmanager
def opened(browser, path, allowed=(), **context):
    """The page; afterwards it must have asked for nothing but itself and have logged nothing."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
    tab = context.new_page()
    told, asked = [], []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    until(tab, "document.querySelector('#clock').textContent !== ''")
    yield tab
    context.close()
    # of a browser that draws WebGL without a GPU
    assert [line for line in told if "GPU stall due to ReadPixels" not in line] == []
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == [path.as_uri(), *allowed]


def until(tab, condition):
    """Wait; by asking again, since Playwright's own waiting is code from a string, which the page's policy forbids."""
    for _ in range(200):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(25)
    raise AssertionError(f"never came true: {condition}")


def picture(tab, name="view"):
    tab.wait_for_timeout(50)
    return tab.evaluate(f"document.getElementById('{name}').toDataURL()")


def frame_of(tab):
    return int(tab.inner_text("#clock").split("·")[1].split("/")[0]) - 1


def video_gray(tab):
    """Brightness of the frame that the video shows, on the screen: the canvas may not read a file's pixels."""
    picture = cv2.imdecode(np.frombuffer(tab.locator("#video").screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    return int(picture[picture.shape[0] // 2, picture.shape[1] // 2])


def go_to(tab, frame):
    tab.evaluate(
        "(frame) => { const slider = document.querySelector('#slider'); slider.value = frame;"
        "slider.dispatchEvent(new Event('input')); }",
        frame,
    )
    until(tab, "!document.querySelector('video').seeking && document.querySelector('video').readyState >= 2")


def drag(tab, across, down):
    box = tab.locator("#view").bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] / 2 + across, box["y"] + box["height"] / 2 + down, steps=4)
    tab.mouse.up()


def test_video_view_and_charts_follow_one_time(browser, report):
    with opened(browser, report) as tab:
        assert tab.inner_text("h1") == "line 3 <b>&amp; 4.mp4"
        first, cursor = picture(tab), tab.locator("#heat-cursor").bounding_box()["x"]
        for frame in (45, 12, 59):
            go_to(tab, frame)
            tab.wait_for_timeout(100)
            assert frame_of(tab) == frame
            assert abs(video_gray(tab) - gray_of(frame)) <= 1
        assert picture(tab) != first
        assert tab.locator("#heat-cursor").bounding_box()["x"] > cursor + 100
        go_to(tab, GAP.start + 1)
        assert tab.is_visible("#unseen")
        assert len(tab.screenshot()) > 30_000


def test_the_video_plays_and_the_view_with_it(browser, report):
    with opened(browser, report) as tab:
        first = picture(tab)
        tab.keyboard.press("Space")
        until(tab, "document.querySelector('video').currentTime > 0.4")
        tab.keyboard.press("Space")
        until(tab, "document.querySelector('video').paused")
        tab.wait_for_timeout(100)
        assert frame_of(tab) >= 10 and picture(tab) != first
        assert abs(video_gray(tab) - gray_of(frame_of(tab))) <= 1


def test_the_view_turns_zooms_and_comes_back(browser, report):
    with opened(browser, report) as tab:
        go_to(tab, 0)  # the panel has its size when the video has come
        seen = [picture(tab)]
        for move in (
            lambda: drag(tab, 90, 0),
            lambda: drag(tab, 0, 50),
            lambda: tab.mouse.wheel(0, -300),
            lambda: tab.keyboard.press("Shift+ArrowLeft"),
            lambda: tab.keyboard.press("-"),
            lambda: tab.uncheck("#perspective"),
            lambda: tab.uncheck("#follow"),
            lambda: tab.click("[data-view=top]"),
        ):
            move()
            seen.append(picture(tab))
        assert len(set(seen)) == len(seen)
        tab.check("#follow")
        tab.check("#perspective")
        tab.dblclick("#view")
        tab.mouse.move(5, 5)
        assert picture(tab) == seen[0]


def test_without_video_the_view_plays_alone(browser, tmp_path):
    with opened(browser, make_page(tmp_path, overlay=False)) as tab:
        assert tab.locator("video").count() == 0
        tab.select_option("#speed", "2")
        tab.click("#play")
        until(tab, "document.querySelector('#clock').textContent.endsWith('60/60')")
        assert tab.get_attribute("#play", "aria-label") == "Play"  # it has stopped at the end
        for key, frame in (("Home", 0), ("ArrowRight", 1), ("PageDown", 31), ("ArrowLeft", 30), ("End", 59)):
            tab.keyboard.press(key)
            assert frame_of(tab) == frame


def test_a_video_that_cannot_be_played_leaves_the_view(browser, tmp_path):
    (tmp_path / "overlay.mp4").write_bytes(b"no video" * 100)
    with opened(browser, make_page(tmp_path, overlay=tmp_path / "overlay.mp4")) as tab:
        tab.wait_for_selector("#video-error")
        tab.click("#play")
        until(tab, "!document.querySelector('#clock').textContent.includes('· 1/')")


def test_a_video_beside_the_page_is_played_from_there(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "EMBED_LIMIT_BYTES", 100)
    path = make_page(tmp_path)
    with opened(browser, path, allowed=[(tmp_path / "overlay.mp4").as_uri()]) as tab:
        until(tab, "document.querySelector('video').readyState >= 2")
        go_to(tab, 40)
        assert abs(video_gray(tab) - gray_of(40)) <= 1


def test_a_click_on_the_chart_goes_to_that_frame(browser, report):
    with opened(browser, report) as tab:
        tab.locator("#heat").click(position={"x": tab.locator("#heat").bounding_box()["width"] - 2, "y": 5})
        assert frame_of(tab) == FRAMES - 1
        world = make_world()
        expected = f"{world.confidence[-1, 0]:.2f}"
        assert tab.inner_text("#heat-tip") == f"root · {world.time_s[-1]:.2f} s · confidence {expected}"
        tab.click("summary")
        tab.wait_for_selector("#joint-rows tr")
        row = tab.inner_text("#joint-rows tr:first-child").split("\t")
        seen = world.flag[:, 0] == Flag.SEEN
        assert row[0] == "root" and row[2:] == ["83.3%", "6.7%", "10.0%"]
        assert float(row[1]) == pytest.approx(world.confidence[seen, 0].mean(), abs=0.006)


def test_limb_lengths_are_those_of_the_motion(browser, tmp_path):
    world = make_world()
    world.positions[:, 3] *= np.linspace(0.9, 1.1, FRAMES, dtype=np.float32)[:, None]
    with opened(browser, make_page(tmp_path, world=world, overlay=False)) as tab:
        told = {row.split("\t")[0]: row for row in tab.locator("#limb-rows tr").all_inner_texts()}
        texts = re.findall(r"(\d+) mm\s+([\d.]+)%", told["knee – ankle"])
    for (mean, variation), joints in zip(
        texts, (("left_knee", "left_ankle"), ("right_knee", "right_ankle")), strict=True
    ):
        a, b = (world.skeleton.index(joint) for joint in joints)
        seen = (world.flag[:, [a, b]] == Flag.SEEN).all(1)
        lengths = np.linalg.norm(world.positions[seen, a] - world.positions[seen, b], axis=1)
        assert int(mean) == pytest.approx(1000 * lengths.mean(), abs=0.51)
        assert float(variation) == pytest.approx(100 * lengths.std() / lengths.mean(), abs=0.051)


def test_the_csv_made_by_the_page_holds_the_positions(browser, tmp_path):
    world = make_world("RTM-66")
    with opened(browser, make_page(tmp_path, world=world, overlay=False)) as tab:
        with tab.expect_download() as download:
            tab.click("#csv")
        lines = download.value.path().read_text().splitlines()
    assert lines[0] == "frame,time_s,joint,x,y,z,confidence,flag"
    cells = np.array([line.split(",") for line in lines[1:]]).reshape(FRAMES, 66, 8)
    assert (cells[7, :, 2] == world.skeleton.joints).all() and (
        cells[:, 0, 0] == np.arange(FRAMES).astype(str)
    ).all()
    present = world.present
    assert np.abs(cells[present, :, 3:6].astype(float) - world.positions[present]).max() < 1e-4
    assert (cells[~present, :, 3:6] == "").all() and (cells[~present, :, 7] == "absent").all()
    assert np.abs(cells[..., 6].astype(float) - world.confidence).max() < 0.01


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(browser, tmp_path, scheme):
    path = make_page(tmp_path, world=make_world("RTM-66"), title="a_long_name_without_any_space_" * 3)
    phone = {
        "viewport": {"width": 390, "height": 844},
        "is_mobile": True,
        "has_touch": True,
        "color_scheme": scheme,
    }
    with opened(browser, path, **phone) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        tab.locator("#heat").scroll_into_view_if_needed()
        tab.locator("#heat").tap(position={"x": 300, "y": 100})
        assert frame_of(tab) > 0 and tab.is_visible("#heat-tip") and tab.is_visible("#play")


def test_names_from_outside_stay_text(browser, tmp_path):
    world = make_world()
    skeleton = replace(world.skeleton, joints=(ATTACK, *world.skeleton.joints[1:]), root=(ATTACK,))
    file = tmp_path / "x'\"><img src=x onerror=alert(1)>.csv"
    world = replace(world, skeleton=skeleton, notes=(ATTACK,), units=ATTACK)
    given = {"summary": {ATTACK: ATTACK}, "downloads": [file]}
    with opened(browser, make_page(tmp_path, world=world, overlay=False, title=ATTACK, **given)) as tab:
        assert tab.title() == tab.inner_text("h1") == ATTACK
        assert tab.locator("img").count() == 0
        assert tab.locator(".notes li").inner_text() == ATTACK
        assert tab.locator(".files a").inner_text() == file.name
        tab.click("summary")
        tab.wait_for_selector("#joint-rows tr")
        assert ATTACK in tab.inner_text("#joint-rows")


@pytest.mark.parametrize(
    ("frames", "absent"), [(1, slice(0, 0)), (20, slice(None))], ids=["one frame", "nobody"]
)
def test_a_motion_with_nearly_nothing_in_it(browser, tmp_path, frames, absent):
    with opened(
        browser, make_page(tmp_path, world=make_world(frames=frames, absent=absent), overlay=False)
    ) as tab:
        tab.click("#play")
        drag(tab, 40, 10)
        assert tab.is_visible("#unseen") == (absent == slice(None))
        assert "NaN" not in tab.inner_text("body")


# ---- sections of others

SECTION = PageSection(
    title="Risk <of> this",
    html='<p id="told"></p><button type="button" id="jump">Worst moment</button>',
    script="""
const risk = JSON.parse(document.getElementById("risk").textContent);
ergolift.onTime((seconds, frame) => {
  document.getElementById("told").textContent = `${seconds.toFixed(2)} s: ${risk[frame]}`;
  ergolift.setJointColors(risk[frame] > 1 ? ergolift.joints.map(() => "#00ff00") : null);
});
document.getElementById("jump").addEventListener("click", () => ergolift.seek(1.5));
""",
    style="#told { color: rgb(1, 2, 3); }",
    data=[json_block("risk", {number: int(number > 40) * 2 for number in range(FRAMES)})],
)


def green(tab):
    """Pixels of the 3D view in the colour that the section paints joints with, near or far."""
    png = base64.b64decode(picture(tab).split(",")[1])
    blue, green, red, alpha = np.moveaxis(cv2.imdecode(np.frombuffer(png, np.uint8), -1).astype(int), -1, 0)
    return int(((alpha == 255) & (green > red + 60) & (green > blue + 60)).sum())


def test_a_section_of_others_follows_the_time_and_paints_the_joints(browser, tmp_path):
    other = PageSection("Second", "<p>plain</p>", script="const risk = 'its own name';")
    with opened(browser, make_page(tmp_path, overlay=False, sections=[SECTION, other])) as tab:
        titles = tab.locator("h2").all_inner_texts()
        assert titles[-3:] == ["Risk <of> this", "Second", "Files"]
        assert tab.evaluate("getComputedStyle(document.getElementById('told')).color") == "rgb(1, 2, 3)"
        assert tab.inner_text("#told") == "0.00 s: 0" and green(tab) == 0
        tab.click("#jump")
        assert frame_of(tab) == 45 and tab.inner_text("#told") == "1.50 s: 2"
        everything = green(tab)
        tab.evaluate("ergolift.seek(0.5)")
        assert frame_of(tab) == 15 and green(tab) == 0
        tab.evaluate("ergolift.setJointColors(ergolift.joints.map((_, at) => at ? null : '#00ff00'))")
        assert 10 < green(tab) < everything / 2
        assert tab.evaluate("[ergolift.joints[1], ergolift.time[30]]") == ["right_hip", 1.0]


def test_the_policy_holds_for_sections_too(tmp_path):
    texts = [
        make_page(tmp_path, overlay=False, sections=sections).read_text() for sections in ([], [SECTION])
    ]
    policies = [re.search('Policy" content="([^"]*)"', text).group(1) for text in texts]
    assert policies[0] != policies[1] and "unsafe" not in policies[1]
    with pytest.raises(AssertionError, match="end its own element"):
        make_page(tmp_path, sections=[PageSection("bad", "", script="</SCRIPT>")])


# ---- the mesh


def make_mesh_page(folder):
    """A page with a body whose joints are those of the motion, and the motion."""
    body = example_body()
    mesh = replace(example_mesh(body, num_frames=FRAMES, gap=GAP), notes=("The body is approximate.",))
    skeleton = load_skeleton("SMPL-24")
    positions = np.full((FRAMES, skeleton.num_joints, 3), np.nan, np.float32)
    pose, shape = torch.from_numpy(mesh.rotations[mesh.present]), torch.from_numpy(mesh.shape)
    positions[mesh.present] = body.joints(pose, shape).numpy() * mesh.scale
    positions += mesh.translation[:, None]
    flag = np.where(np.isfinite(positions[..., 0]), Flag.SEEN, Flag.ABSENT).astype(np.uint8)
    confidence = (flag == Flag.SEEN).astype(np.float32)
    world = replace(
        make_world(),
        **{"skeleton": skeleton, "positions": positions, "root": positions[:, 0], "flag": flag},
        confidence=confidence,
        foot_contact=np.zeros((FRAMES, 2), bool),
    )
    path = make_page(folder, world=world, overlay=False, mesh=(mesh, skin_of(body, mesh)))
    return path, world


def masks(tab):
    """Pixels (H,W) of the 3D view: the body's blue grey, and the blue and orange of the skeleton's sides."""
    png = base64.b64decode(picture(tab).split(",")[1])
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED).astype(int)
    blue, green, red, alpha = np.moveaxis(pixels, -1, 0)
    spread = pixels[..., :3].max(-1) - pixels[..., :3].min(-1)
    body = (alpha == 255) & (blue > green) & (green > red) & (spread > 10) & (spread < 70)
    sides = (alpha == 255) & (spread > 80) & ~((green > red) & (green >= blue))
    return cv2.morphologyEx(body.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5))) > 0, sides


def show_frame(tab, frame):
    tab.evaluate(
        "(frame) => { const slider = document.querySelector('#slider'); slider.value = frame;"
        "slider.dispatchEvent(new Event('input')); }",
        frame,
    )


def test_the_mesh_is_shown_where_the_skeleton_is(browser, tmp_path):
    path, _ = make_mesh_page(tmp_path)
    with opened(browser, path) as tab:
        assert tab.is_visible("#mesh-choice") and tab.is_checked("#mesh")
        for view, perspective in (("home", True), ("camera", False), ("side", True), ("top", False)):
            tab.click(f"[data-view={view}]")
            tab.set_checked("#perspective", perspective)
            for frame in (0, 45):
                show_frame(tab, frame)
                tab.check("#mesh")
                body, _ = masks(tab)
                tab.uncheck("#mesh")
                empty, limbs = masks(tab)
                assert (limbs & body).sum() > 0.97 * limbs.sum() > 500, (view, frame)
                assert body.sum() > 2 * limbs.sum() and empty.sum() < 0.1 * body.sum()
        tab.check("#mesh")
        show_frame(tab, GAP.start)
        assert tab.is_visible("#unseen") and not masks(tab)[0].any()
        assert tab.locator(".notes li").all_inner_texts() == [
            "The floor is approximate.",
            "The body is approximate.",
        ]
        assert "example, 500 vertices, 24 joints" in tab.inner_text(".facts")


def test_the_mesh_turns_plays_and_tells_joints(browser, tmp_path):
    path, world = make_mesh_page(tmp_path)
    with opened(browser, path) as tab:
        seen = [picture(tab)]
        for move in (
            lambda: drag(tab, 60, 20),
            lambda: tab.mouse.wheel(0, -300),
            lambda: tab.uncheck("#follow"),
            lambda: show_frame(tab, 20),
        ):
            move()
            seen.append(picture(tab))
        assert len(set(seen)) == len(seen)
        box = tab.locator("#view").bounding_box()
        names = set()
        for x, y in np.ndindex(12, 12):
            tab.mouse.move(box["x"] + box["width"] * (x + 4) / 20, box["y"] + box["height"] * (y + 4) / 20)
            if tab.is_visible("#view-tip"):
                names.add(tab.inner_text("#view-tip").split(" · ")[0])
        assert names & {joint.replace("_", " ") for joint in world.skeleton.joints}
    with opened(browser, path, color_scheme="dark", viewport={"width": 390, "height": 844}) as tab:
        assert masks(tab)[0].sum() > 1000
        assert tab.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("browser", [["--disable-3d-apis"]], indirect=True, ids=["no WebGL"])
def test_without_webgl_the_skeleton_is_shown(browser, tmp_path):
    with opened(browser, make_mesh_page(tmp_path)[0]) as tab:
        assert not tab.is_visible("#mesh-choice")
        body, limbs = masks(tab)
        assert limbs.sum() > max(500, body.sum())


def test_a_mesh_adds_little_to_the_page(tmp_path):
    body = example_body(num_vertices=6800)
    mesh = example_mesh(body, num_frames=FRAMES)
    sizes = [
        make_page(tmp_path, overlay=False, mesh=given).stat().st_size
        for given in ((mesh, skin_of(body, mesh)), None)
    ]
    assert sizes[0] - sizes[1] < 300_000 + 300 * FRAMES
