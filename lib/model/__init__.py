"""Networks and losses; loading the package fills the registries of both."""

from lib.model import loss_angles

__all__ = ["loss_angles"]
