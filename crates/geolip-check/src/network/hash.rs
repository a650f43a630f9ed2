//! The identity of a network: a SHA-256 over its canonical form.

use super::{ConvolutionShape, LinearMap, Network, Op};
use sha2::{Digest, Sha256};

impl Network {
    /// The hash of the canonical network, 64 hexadecimal digits: what ties a certificate to its network.
    ///
    /// **Claim.** Two networks with the same hash have, up to SHA-256 collisions, the same nodes, maps, weights, biases
    /// and activations in the same order; names and the file's path do not enter. Numbers enter by their bits.
    pub fn hash(&self) -> String {
        let mut feed = Feed(Sha256::new());
        feed.text("geolip-network-1");
        feed.count(self.nodes.len());
        feed.count(self.output.index());
        for node in self.nodes.iter() {
            feed.count(node.len);
            match &node.op {
                Op::Input => feed.text("input"),
                Op::Affine { terms, bias } => {
                    feed.text("affine");
                    feed.count(terms.len());
                    for term in terms {
                        feed.count(term.parent.index());
                        feed.map(&term.map);
                    }
                    feed.numbers(bias.as_deref().unwrap_or(&[]));
                }
                Op::Activate { parent, activation } => {
                    feed.text("activate");
                    feed.count(parent.index());
                    feed.text(activation.name());
                    feed.numbers(&activation.parameters());
                }
                Op::Combine { parents, combination } => {
                    feed.text("combine");
                    feed.count(parents.len());
                    parents.iter().for_each(|parent| feed.count(parent.index()));
                    feed.text(combination.name());
                }
            }
        }
        feed.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Feeds values with their lengths, so that no two different networks feed the same bytes.
struct Feed(Sha256);

impl Feed {
    fn count(&mut self, n: usize) {
        self.0.update((n as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    fn numbers(&mut self, numbers: &[f64]) {
        self.count(numbers.len());
        for number in numbers {
            self.0.update(number.to_bits().to_le_bytes());
        }
    }

    fn map(&mut self, map: &LinearMap) {
        self.text(map.name());
        self.count(map.rows());
        self.count(map.cols());
        match map {
            LinearMap::Identity(_) | LinearMap::Scale(_) | LinearMap::Dense(_) => {}
            LinearMap::Convolution(c) => self.convolution(c.shape()),
            // a missing source is one past the end
            LinearMap::Gather(g) => g.sources().for_each(|source| self.count(source.unwrap_or(g.cols()))),
            LinearMap::Transpose(inner) => return self.map(inner),
        }
        self.numbers(map.coefficients());
    }

    fn convolution(&mut self, shape: &ConvolutionShape) {
        let ConvolutionShape { in_channels, out_channels, groups, input, output, kernel, stride, dilation, pad } =
            shape;
        [in_channels, out_channels, groups].into_iter().for_each(|n| self.count(*n));
        [input, output, kernel, stride, dilation, pad].into_iter().flatten().for_each(|n| self.count(*n));
    }
}
