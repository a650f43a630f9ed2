"""Names that are made to fool whoever reads are escaped; files are written whole, through links, beside nothing of the user's."""

import os
import unicodedata

import pytest

import geolip

NAME = "\x1b[2K\raccepted\n\u202e\x9b31m\u2066"


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def text(field: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def node(name: str, operator: str, inputs: list[str], output: str) -> bytes:
    return text(1, b"".join(text(1, i) for i in inputs) + text(2, output) + text(3, name) + text(4, operator))


def port(field: int, name: str, size: int) -> bytes:
    shape = b"".join(text(1, number(1, n)) for n in (1, size))
    return text(field, text(1, name) + text(2, text(1, number(1, 1) + text(2, shape))))


@pytest.fixture
def hostile() -> bytes:
    """relu, and an operator that is not supported; every name begins with `NAME`."""
    x, h, y = (NAME + end for end in "xhy")
    graph = (
        node(NAME + "relu", "Relu", [x], h) + node(NAME + "odd", NAME + "Odd", [h], y) + port(11, x, 2) + port(12, y, 2)
    )
    return number(1, 8) + text(2, NAME) + text(7, graph) + text(8, number(2, 13))


def is_seen(shown: str) -> bool:
    """Nothing in it is hidden but line breaks of its own, and no line begins with what a name says."""
    lines = shown.split("\n")
    controls = any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for line in lines for c in line)
    return not controls and not any(line.startswith("accepted") for line in lines)


def test_no_name_reaches_the_reader_as_it_is(hostile, tmp_path):
    path = tmp_path / f"{NAME}.onnx"
    path.write_bytes(hostile)
    network = geolip.load(path, until=NAME + "h")
    report = geolip.bound(network)
    shown = [repr(network), network._repr_html_(), repr(report), report._repr_html_(), repr(geolip.compare(network))]
    shown += [str(geolip.check(report.certificate, network)[0]), repr(geolip.radius(network, [[1.0, 2.0]]))]
    for wrong in ({}, {"until": NAME}, {"output_name": NAME}, {"until": NAME + "h", "input": NAME}):
        with pytest.raises(geolip.errors.NetworkFileError) as caught:
            geolip.load(path, **wrong)
        shown.append(str(caught.value))
        shown += [part for pair in getattr(caught.value, "obstacles", []) for part in pair]
    with pytest.raises(FileNotFoundError) as missing:
        geolip.load(tmp_path / NAME)
    shown.append(str(missing.value))
    for one in shown:
        assert is_seen(one), ascii(one)
    assert network.info["nodes"][1]["name"] == NAME + "relu"  # data are as they are


def test_a_certificate_is_saved_beside_nothing_of_the_users(models, tmp_path):
    certificate = geolip.bound(models / "digits-784-64-10.onnx", output=3).certificate
    (tmp_path / "c.json.partial").write_text("mine")
    certificate.save(tmp_path / "c.json")
    assert (tmp_path / "c.json").read_text() == certificate.text
    assert (tmp_path / "c.json.partial").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["c.json", "c.json.partial"]
    certificate.save(os.devnull)
    assert not os.path.isfile(os.devnull)
    (tmp_path / "link").symlink_to("target")
    certificate.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == certificate.text
    with pytest.raises(FileNotFoundError):
        certificate.save(tmp_path / "none" / "c.json")


def test_a_checkpoint_of_another_question_is_refused(models, tmp_path):
    ask = {"output": 3, "exact": True, "case_limit": 3, "checkpoint": tmp_path / "c"}
    geolip.bound(models / "digits-784-64-10.onnx", **ask)
    with pytest.raises(geolip.errors.OptionError, match="norm is linf there and l2 here"):
        geolip.bound(models / "digits-784-64-10.onnx", **(ask | {"norm": "l2"}))
