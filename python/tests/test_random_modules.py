"""Random modules against torch: none is certified below sampled quotients. GEOLIP_MODULES says how many [24]."""

import os

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import random_modules  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        random_modules.remember_the_exporters_table(patch.setattr)
        yield


@pytest.mark.parametrize("seed", range(int(os.environ.get("GEOLIP_MODULES", "24"))))
def test_no_random_module_is_certified_below_what_it_does(seed):
    found = random_modules.verdict(seed)
    assert found["network"][0] != "false", found["network"][1]
    assert found["value"][0] != "false", found["value"][1]
