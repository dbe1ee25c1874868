"""Checkpoints of a fit: a killed fit resumes with exactly the result of an uninterrupted one."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from domino.fit_config import FitConfig, FittingError
from domino.records import result_fields
from domino.shared_prefix import Text

CHECKPOINT = "fit.pt"
_VALUES = 8


def fit_identity(
    model: Any, config: FitConfig, seed: int, texts: Sequence[Text], **more: Any
) -> str:
    """Return a digest of everything that determines a fit.

    For the backbone it uses each weight's name, shape and first values, which distinguishes
    checkpoints without reading gigabytes.
    """
    ids = [[text.given, *text.ids_L.tolist()] for text in texts]
    weights = [
        [name, *weight.shape, *weight.detach().flatten()[:_VALUES].tolist()]
        for name, weight in model.named_parameters()
    ]
    content = json.dumps([result_fields(config), seed, ids, weights, more], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


class CheckpointFile:
    """The newest state of one fit, in one file that is always complete.

    Args:
        directory: created when the first state is written.
        identity: of the fit; the state of another fit is refused.
    """

    def __init__(self, directory: Path, identity: str) -> None:
        self._path = directory / CHECKPOINT
        self._identity = identity

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the state; a kill at any time leaves the old one or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            torch.save({"identity": self._identity, "state": dict(state)}, file)
        temporary.replace(self._path)

    def read(self) -> dict[str, Any] | None:
        """Return the newest state, its tensors on the CPU; None if none was written.

        Raises:
            FittingError: the file is damaged, or of another fit.
        """
        if not self._path.is_file():
            return None
        if not zipfile.is_zipfile(self._path):  # torch.load accepts other formats
            raise FittingError(
                f"{self._path} is not a checkpoint of a fit, or is damaged: remove it and fit again"
            )
        try:
            found = torch.load(self._path, map_location="cpu", weights_only=True)
            identity, state = found["identity"], dict(found["state"])
        except (RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise FittingError(
                f"{self._path} is not a checkpoint of a fit ({error}): remove it and fit again"
            ) from error
        if identity != self._identity:
            raise FittingError(
                f"{self._path} is the checkpoint of another fit (other settings, seed, references, "
                "backbone or number of processes): give another directory, or remove it"
            )
        return state
