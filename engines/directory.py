"""An engine directory, verified: the manifest is parsed once, each file's sha256 is taken once.

What is handed out are the very bytes that were checked, so that a truncated copy or an edited file
never reaches a runtime. Weights that all networks share are kept until `release`.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from engines.base import EngineError
from engines.manifest import (
    Manifest,
    StoredFile,
    directory_fault,
    int8_fault,
    plan_fault,
    read_manifest,
)
from engines.onnx_bytes import has_external_data, with_data


class EngineDirectory:
    """An engine set: where it lies, its manifest, and its files as they are asked for.

    Attributes:
        path: of the directory.
        manifest: as read when this was made.
    """

    def __init__(self, path: Path, manifest: Manifest | None = None) -> None:
        """Reads the manifest, unless one is given.

        Raises:
            EngineError: the directory or its manifest is missing, unreadable or not as it should
                be.
        """
        self.path = path
        self.manifest = read_manifest(path) if manifest is None else manifest
        self._weights: bytes | None = None

    def fault(self, what: str) -> EngineError:
        """The error for a set that cannot be used."""
        return directory_fault(self.path, what)

    def content(
        self, stored: StoredFile, fault: Callable[[Path, str], EngineError] = directory_fault
    ) -> bytes:
        """The content of a file as it lies there, checked.

        Raises:
            EngineError: made by `fault`: it is missing, of another size, or of other content.
        """
        path = self.path / stored.file
        if not path.is_file():
            raise fault(path, "the file is missing, though the manifest names it")
        try:
            size = path.stat().st_size
            if size != stored.bytes:
                raise fault(path, f"{size} bytes found, {stored.bytes} expected")
            content = path.read_bytes()
        except OSError as error:
            raise fault(path, f"cannot be read ({error})") from error
        found = hashlib.sha256(content).hexdigest()
        if found != stored.sha256:
            raise fault(path, f"sha256 {found[:12]}... found, {stored.sha256[:12]}... expected")
        return content

    def data(self) -> bytes:
        """The content of the set's data file.

        Raises:
            EngineError: the set has none, or it is missing or not as the manifest says.
        """
        if self.manifest.data_file is None:
            raise self.fault("no data_file found, expected one")
        return self.content(self.manifest.data_file)

    def model(self, network: str) -> bytes:
        """A network's ONNX model with all its weights.

        Raises:
            EngineError: the network is unknown, a file is missing, of another size or of other
                content, or a weight lies where the manifest does not say.
        """
        entry = self.manifest.network(network)
        path = self.path / entry.file
        model = self.content(entry.stored)
        stored = self.manifest.weights_file
        try:
            if stored is not None:
                if self._weights is None:
                    self._weights = self.content(stored)
                model = with_data(model, {stored.file: self._weights})
            external = has_external_data(model)
        except ValueError as error:
            raise directory_fault(path, f"not an ONNX model that can be read ({error})") from error
        if external:
            raise directory_fault(path, "keeps weights where the manifest does not say")
        return model

    def plan(self, network: str) -> bytes:
        """The content of a network's plan.

        Raises:
            EngineError: there is no plan, or its file is missing, of another size, or of other
                content.
        """
        plan = self.manifest.network(network).plan
        if plan is None:
            raise plan_fault(self.path, self.path, f"network '{network}' has no TensorRT plan")
        return self.content(plan, lambda path, found: plan_fault(self.path, path, found))

    def int8(self, network: str) -> tuple[bytes, bytes]:
        """A network in int8, graph and weights.

        Raises:
            EngineError: it has no int8 files, or one is missing, of another size, or of other
                content.
        """

        def fault(path: Path, found: str) -> EngineError:
            return int8_fault(self.path, path, found)

        files = self.manifest.network(network).int8
        if files is None:
            raise fault(self.path, f"network '{network}' has no int8 files")
        return self.content(files.graph, fault), self.content(files.weights, fault)

    def release(self) -> None:
        """Lets go of the shared weights: every network has been opened."""
        self._weights = None
