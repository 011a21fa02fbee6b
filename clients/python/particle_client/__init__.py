"""An asyncio client of Particle: a local model that is kept equal to what the server lets it see."""

from .changes import Changes
from .client import Client
from .errors import ParticleError
from .types import Change, Document, Documents, Operation, Status
from .watched import Watched

__all__ = [
    "Change",
    "Changes",
    "Client",
    "Document",
    "Documents",
    "Operation",
    "ParticleError",
    "Status",
    "Watched",
]
