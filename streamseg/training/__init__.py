"""Training of networks on one's own pictures; needs the extra `streamseg[train]`, which running a model never does."""

from __future__ import annotations


def need_torch() -> None:
    """Says how PyTorch is installed where it is not.

    Raises:
        InputError: it is not.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        from streamseg import installing
        from streamseg.errors import InputError

        raise InputError("training needs PyTorch", installing.extra("train")) from None
