"""Reading networks, and what they are once read."""

import copy
import pickle

import numpy as np
import pytest

import geolip


def relu_network():
    """y = relu(x₁ + x₂) − relu(x₁ − x₂): in ℓ∞ the Lipschitz constant is 2."""
    return geolip.Network.from_weights([[[1, 1], [1, -1]], [[1, -1]]])


def test_weights_biases_and_activations():
    rng = np.random.default_rng(0)
    w, b = [rng.normal(size=(7, 5)), rng.normal(size=(3, 7))], [rng.normal(size=7), None]
    net = geolip.Network.from_weights(w, b, activation="tanh")
    x = rng.normal(size=(4, 5))
    expected = np.tanh(x @ w[0].T + b[0]) @ w[1].T
    np.testing.assert_allclose(net(x), expected, rtol=1e-13)
    np.testing.assert_allclose(net(x[0]), expected[0], rtol=1e-13)
    turned = geolip.Network.from_weights([m.T for m in w], b, activation="tanh", transposed=True)
    assert turned.hash == net.hash
    assert (net.inputs, net.outputs, net.neurons) == (5, 3, 7)


def test_a_weight_list_in_memory_is_the_one_on_disk(models):
    arrays = np.load(models / "digits-784-64-10.npz")
    net = geolip.Network.from_weights([arrays["W1"], arrays["W2"]], [arrays["b1"], arrays["b2"]])
    assert net.hash == geolip.load(models / "digits-784-64-10.npz").hash


def test_onnx_from_bytes_and_protos(models):
    data = (models / "digits-784-64-10.onnx").read_bytes()

    class Proto:
        def SerializeToString(self):
            return data

    path = geolip.load(models / "digits-784-64-10.onnx")
    assert geolip.from_onnx(data).hash == geolip.from_onnx(Proto()).hash == path.hash
    assert path.name == "digits-784-64-10" and path.sha256 == geolip.from_onnx(data).sha256


def test_an_exported_network_is_the_same_network(models, tmp_path):
    net = geolip.load(models / "digits-784-64-10.npz", activation="elu")
    net.export(tmp_path / "net.json")
    again = geolip.load(tmp_path / "net.json")
    assert again.hash == net.hash
    assert geolip.check(geolip.bound(net, output=3).certificate.to_dict(), again)
    with pytest.raises(FileNotFoundError):
        net.export(tmp_path / "none" / "net.json")
    with pytest.raises(geolip.NetworkFileError):
        geolip.load(tmp_path / "net.json", activation="elu")


def test_networks_and_reports_are_pickled(models):
    net = geolip.load(models / "digits-784-64-10.onnx")
    assert pickle.loads(pickle.dumps(net)).hash == net.hash
    report = geolip.bound(net, output=3)
    again = pickle.loads(pickle.dumps(report))
    assert again.to_dict() == report.to_dict()
    assert again.certificate == report.certificate
    assert np.array_equal(again.witnesses, report.witnesses)


def test_what_is_not_supported_is_listed():
    with pytest.raises(geolip.NetworkFileError, match="not an ONNX file"):
        geolip.from_onnx(b"nothing of the kind")
    with pytest.raises(FileNotFoundError):
        geolip.load("nowhere.onnx")
    with pytest.raises(geolip.OptionError, match="unknown activation 'rulu'"):
        geolip.Network.from_weights([[[1.0]]], activation="rulu")
    with pytest.raises(geolip.NetworkFileError):
        geolip.Network.from_weights([np.ones((3, 2)), np.ones((5, 4))])
    with pytest.raises(TypeError, match="outputname"):
        geolip.load("net.onnx", outputname="y")
    error = geolip.UnsupportedNetworkError("text", [("node", "reason")])
    assert pickle.loads(pickle.dumps(error)).obstacles == error.obstacles


def test_shapes_of_inputs():
    net = relu_network()
    assert net([1.0, 2.0]).shape == (1,)
    assert net(np.zeros((6, 1, 2))).shape == (6, 1)
    with pytest.raises(ValueError, match="rows of 2"):
        net([1.0, 2.0, 3.0])


def test_they_show_themselves():
    net = relu_network()
    assert "2 inputs, 1 outputs, 2 neurons" in repr(net)
    assert "relu" in net._repr_html_() and net.info["nodes"][2]["slope"] == [0.0, 1.0]


def test_a_network_whose_file_was_replaced_is_not_pickled_as_the_new_one(tmp_path):
    np.savez(tmp_path / "n.npz", W1=np.eye(2), W2=np.ones((1, 2)))
    network = geolip.load(tmp_path / "n.npz")
    data = pickle.dumps(network)
    np.savez(tmp_path / "n.npz", W1=9 * np.eye(2), W2=np.ones((1, 2)))
    with pytest.raises(geolip.NetworkFileError, match="another network"):
        pickle.dumps(network)
    assert pickle.loads(data).hash == network.hash == copy.deepcopy(network).hash


@pytest.mark.parametrize(
    "given", [np.ma.array([1.0, 2.0], mask=[0, 1]), np.array([1 + 2j, 1]), ["1", "2"], np.array([None, 1.0])]
)
def test_inputs_that_are_no_real_numbers_are_refused_and_nothing_of_them_is_dropped(given):
    network = geolip.Network.from_weights([np.eye(2)])
    for ask in (
        lambda: network(given),
        lambda: geolip.radius(network, given),
        lambda: geolip.bound(network, center=given, radius=0.1),
        lambda: geolip.bound(network, box=np.stack([given, given]) if not isinstance(given, np.ma.MaskedArray) else
                             np.ma.stack([given, given])),
        lambda: geolip.bound(network, output=given),
    ):  # fmt: skip
        with pytest.raises(geolip.OptionError, match=r"masked|real numbers|list with|of one type"):
            ask()


def test_inputs_of_another_length_are_not_cut_into_rows_of_the_right_one():
    network = geolip.Network.from_weights([np.ones((1, 3))])
    for shape in ((3, 2), (6,), (2, 6)):
        with pytest.raises(ValueError, match="rows of 3"):
            network(np.ones(shape))
    assert network(np.ones((2, 3, 1))).shape == (2, 1)
