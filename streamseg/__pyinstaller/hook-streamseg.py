"""The files beside streamseg's modules, what it imports by name, and the parts that other packages add to it."""  # noqa: N999

from __future__ import annotations

import importlib.util

from PyInstaller.utils.hooks import collect_data_files, collect_entry_point

from streamseg import _MODULES, entrypoints

datas = collect_data_files("streamseg")
hiddenimports = [*_MODULES, *(name for name in ("onnxruntime", "openvino") if importlib.util.find_spec(name))]
for kind in entrypoints.KINDS:
    described, imported = collect_entry_point(f"streamseg.{kind}")
    datas += described
    hiddenimports += imported
for part in entrypoints.parts("models").values():
    if part.is_folder:
        datas += collect_data_files(part.entry.module)
