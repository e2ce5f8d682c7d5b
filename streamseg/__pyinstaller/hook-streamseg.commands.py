"""The commands, which are imported by the word that is typed; a program that does not call them goes without."""  # noqa: N999

from __future__ import annotations

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = collect_submodules("streamseg.commands")
