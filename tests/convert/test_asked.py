from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.convert.importer import import_model
from streamseg.errors import InputError
from tests.parts.asked_networks import Form, decoder, encoder


@pytest.mark.parametrize("form", ["sam", "sam2"])
def test_both_halves_are_named_and_what_takes_them(form: Form, tmp_path: Path) -> None:
    first, second = encoder(tmp_path / "a.onnx", form), decoder(tmp_path / "b.onnx", form)
    with pytest.raises(InputError, match="is the encoder of a network that is asked") as caught:
        import_model(first, tmp_path / "made.onnx")
    assert caught.value.hint.endswith(f"streamseg run SOURCE --model follow --set network={first},decoder.onnx")
    with pytest.raises(InputError, match="is the decoder of a network that is asked") as caught:
        import_model(second, tmp_path / "made.onnx")
    assert caught.value.hint.endswith(f"--set network=encoder.onnx,{second}")
