//! The attributes of a node, each of which has to be read: one that no one understood is an obstacle, not a detail.

use super::Reason;
use super::tensor::Tensor;
use crate::import::Quoted;
use crate::import::onnx::proto::attribute_proto::AttributeType;
use crate::import::onnx::proto::{AttributeProto, NodeProto};

/// The attributes that have not been read yet.
pub(super) struct Attributes<'a>(Vec<&'a AttributeProto>);

impl<'a> Attributes<'a> {
    /// Of a step that is no node of its own.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// The attributes of a node.
    pub(super) fn of(node: &'a NodeProto) -> Result<Self, Reason> {
        let mut names: Vec<&str> = node.attribute.iter().map(|a| a.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("has the attribute {} twice", Quoted(pair[0]))),
            None => Ok(Self(node.attribute.iter().collect())),
        }
    }

    /// A floating-point attribute or its default. The file's float32 is widened.
    pub(super) fn float(&mut self, name: &str, default: f64) -> Result<f64, Reason> {
        Ok(self.take(name, AttributeType::Float)?.map_or(default, |a| f64::from(a.f)))
    }

    /// An integer attribute or its default.
    pub(super) fn integer(&mut self, name: &str, default: i64) -> Result<i64, Reason> {
        Ok(self.take(name, AttributeType::Int)?.map_or(default, |a| a.i))
    }

    /// An integer attribute that is a switch, off by default.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Reason> {
        match self.integer(name, 0)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(format!("has {name} = {other}; only 0 and 1 are meaningful")),
        }
    }

    /// A stored tensor, if it is given.
    pub(super) fn tensor(&mut self, name: &str) -> Result<Option<Tensor>, Reason> {
        let Some(attribute) = self.take(name, AttributeType::Tensor)? else { return Ok(None) };
        let tensor = attribute.t.as_ref().ok_or_else(|| format!("has an empty {name}"))?;
        Tensor::read(tensor).map(Some)
    }

    /// A list of integers, if it is given.
    pub(super) fn integers(&mut self, name: &str) -> Result<Option<&'a [i64]>, Reason> {
        Ok(self.take(name, AttributeType::Ints)?.map(|a| a.ints.as_slice()))
    }

    /// A list of floating-point numbers, if it is given. The file's float32 is widened.
    pub(super) fn floats(&mut self, name: &str) -> Result<Option<Vec<f64>>, Reason> {
        let found = self.take(name, AttributeType::Floats)?;
        Ok(found.map(|a| a.floats.iter().copied().map(f64::from).collect()))
    }

    /// A text or its default.
    pub(super) fn text(&mut self, name: &str, default: &str) -> Result<String, Reason> {
        let found = self.take(name, AttributeType::String)?;
        Ok(found.map_or_else(|| default.to_owned(), |a| String::from_utf8_lossy(&a.s).into_owned()))
    }

    /// Leaves out what says nothing about numbers, whatever its type.
    pub(super) fn ignore(&mut self, name: &str) {
        self.0.retain(|attribute| attribute.name != name);
    }

    /// The value of a `Constant` node, in whichever of the attributes it is stored.
    pub(super) fn value(&mut self) -> Result<Tensor, Reason> {
        if let Some(tensor) = self.tensor("value")? {
            return Ok(tensor);
        }
        if let Some(a) = self.take("value_float", AttributeType::Float)? {
            return Ok(Tensor::floats(vec![], vec![f64::from(a.f)]));
        }
        if let Some(a) = self.take("value_floats", AttributeType::Floats)? {
            return Ok(Tensor::floats(vec![a.floats.len()], a.floats.iter().copied().map(f64::from).collect()));
        }
        if let Some(a) = self.take("value_int", AttributeType::Int)? {
            return Ok(Tensor::integers(vec![], vec![a.i]));
        }
        if let Some(a) = self.take("value_ints", AttributeType::Ints)? {
            return Ok(Tensor::integers(vec![a.ints.len()], a.ints.clone()));
        }
        Err("holds no dense tensor of numbers; sparse and text constants are not supported".to_owned())
    }

    /// What to say when something is left over.
    pub(super) fn finish(&self) -> Result<(), Reason> {
        match self.0.first() {
            None => Ok(()),
            Some(a) => {
                Err(format!("has the attribute {}, which is not understood in this operator set", Quoted(&a.name)))
            }
        }
    }

    fn take(&mut self, name: &str, expected: AttributeType) -> Result<Option<&'a AttributeProto>, Reason> {
        let Some(index) = self.0.iter().position(|a| a.name == name) else { return Ok(None) };
        let attribute = self.0.swap_remove(index);
        if !attribute.ref_attr_name.is_empty() {
            return Err(format!("takes the attribute {name} from an enclosing function, which is not supported"));
        }
        if attribute.r#type != expected as i32 {
            return Err(format!("has the attribute {name} with another type than {}", expected.as_str_name()));
        }
        Ok(Some(attribute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::onnx::testing::{attribute_float, attribute_int, node};

    #[test]
    fn attributes_are_read_once_and_leftovers_named() -> Result<(), Reason> {
        let mut relu = node("Elu", &["x"], "y");
        relu.attribute = vec![attribute_float("alpha", 0.5), attribute_int("axis", 3)];
        let mut attributes = Attributes::of(&relu)?;
        assert_eq!(attributes.float("alpha", 1.0), Ok(0.5));
        assert_eq!(attributes.float("beta", 1.0), Ok(1.0), "a default");
        assert_eq!(
            attributes.finish(),
            Err("has the attribute 'axis', which is not understood in this operator set".to_owned())
        );
        assert_eq!(attributes.flag("axis"), Err("has axis = 3; only 0 and 1 are meaningful".to_owned()));
        attributes.finish()
    }

    #[test]
    fn wrong_types_doubles_and_references_are_refused() {
        let mut elu = node("Elu", &["x"], "y");
        elu.attribute = vec![attribute_int("alpha", 1)];
        let wrong = Attributes::of(&elu).and_then(|mut a| a.float("alpha", 1.0));
        assert_eq!(wrong, Err("has the attribute alpha with another type than FLOAT".to_owned()));
        elu.attribute = vec![attribute_float("alpha", 1.0), attribute_float("alpha", 2.0)];
        assert!(Attributes::of(&elu).is_err());
        elu.attribute = vec![AttributeProto { ref_attr_name: "a".to_owned(), ..attribute_float("alpha", 1.0) }];
        assert!(Attributes::of(&elu).and_then(|mut a| a.float("alpha", 1.0)).is_err());
    }
}
