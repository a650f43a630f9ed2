//! Tensors whose numbers lie in files beside the model: fetched into the model before anything reads them.
//!
//! A location is trusted with nothing: it must stay in the model's folder, also where it is a link or leads through one; it
//! must be a plain file that holds what the tensor claims; and all tensors together may not ask for more than twice what the
//! files hold. A key that is there twice is an error: readers differ in which of the two counts.

use super::Reason;
use super::graph::Kept;
use super::tensor::{elements, expect_location, is_external, type_name};
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{ModelProto, TensorProto};
use crate::import::{Obstacle, Place, Quoted, stored};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Fetches the tensors of `model` that are kept and stored in other files of `folder`; none is known for bytes that come
/// from nowhere. Gives the number of bytes fetched, and what could not be.
pub(super) fn fetch(model: &mut ModelProto, kept: &Kept, folder: Option<&Path>) -> (usize, Vec<Obstacle>) {
    let mut files = Files { folder, open: HashMap::new(), left: 0, fetched: 0 };
    let mut obstacles = Vec::new();
    let Some(graph) = &mut model.graph else { return (0, obstacles) };
    for tensor in graph.initializer.iter_mut().filter(|tensor| is_external(tensor) && kept.holds(&tensor.name)) {
        if let Err(reason) = files.fill(tensor) {
            obstacles.push(Obstacle { place: Place::Initialiser(tensor.name.clone()), reason });
        }
    }
    for node in graph.node.iter_mut().filter(|node| node.output.iter().any(|name| kept.holds(name))) {
        let tensors = node.attribute.iter_mut().filter_map(|a| a.t.as_mut()).filter(|t| is_external(t));
        for reason in tensors.filter_map(|tensor| files.fill(tensor).err()) {
            let place = Place::Node { name: node.name.clone(), operator: node.op_type.clone() };
            obstacles.push(Obstacle { place, reason });
        }
    }
    (files.fetched, obstacles)
}

struct Files<'a> {
    folder: Option<&'a Path>,
    /// The files opened so far, with their sizes.
    open: HashMap<PathBuf, (File, u64)>,
    /// How many bytes may still be fetched: twice what the files hold, for tensors that share their numbers.
    left: u64,
    fetched: usize,
}

impl Files<'_> {
    /// Puts the numbers of a tensor into it.
    fn fill(&mut self, tensor: &mut TensorProto) -> Result<(), Reason> {
        let Some(folder) = self.folder else {
            return Err(
                "has its data in another file, which bytes alone do not lead to; load the model by its path".to_owned()
            );
        };
        expect_location(tensor)?;
        if !tensor.raw_data.is_empty() {
            return Err(
                "has its data both here and in another file; readers differ in which of the two counts".to_owned()
            );
        }
        let source = Source::of(tensor)?;
        let (file, size) = self.open(folder, source.location)?;
        let mut start = Vec::new();
        let looked = file.rewind().and_then(|()| file.take(64).read_to_end(&mut start));
        if looked.is_ok() && stored::is_pointer(&start) {
            return Err(format!("has its data in {}, which is {}", Quoted(source.location), stored::IS_POINTER));
        }
        if source.offset.checked_add(source.length).is_none_or(|end| end > size) {
            let Source { location, offset, length } = source;
            return Err(format!(
                "lies in {} from byte {offset} on, {length} bytes long, but that file has {size} bytes",
                Quoted(location)
            ));
        }
        let left = self.left.checked_sub(source.length).ok_or("shares its data with others; that is not supported")?;
        let (file, _) = self.open(folder, source.location)?;
        let mut bytes = vec![0; usize::try_from(source.length).map_err(|_| "is too large for this machine")?];
        let read = file.seek(SeekFrom::Start(source.offset)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|error| format!("has its data in {}, which cannot be read: {error}", Quoted(source.location)))?;
        self.left = left;
        self.fetched += bytes.len();
        tensor.raw_data = bytes;
        tensor.external_data.clear();
        tensor.data_location = None;
        Ok(())
    }

    fn open(&mut self, folder: &Path, location: &str) -> Result<(&mut File, u64), Reason> {
        let path = Path::new(location);
        if location.is_empty()
            || !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Err(format!("has its data in {}, which is outside the model's folder", Quoted(location)));
        }
        let named = folder.join(path);
        let failed = |error: std::io::Error| {
            format!("has its data in {}, which cannot be read: {error}; keep it beside the model", Quoted(location))
        };
        let path = named.canonicalize().map_err(failed)?;
        let within = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if !path.starts_with(within.canonicalize().map_err(failed)?) {
            return Err(format!(
                "has its data in {}, which is a link out of the model's folder; keep the file itself beside the model",
                Quoted(location)
            ));
        }
        if !self.open.contains_key(&path) {
            let about = std::fs::metadata(&path).map_err(failed)?; // before opening: a pipe would wait for its writer
            if !about.is_file() {
                return Err(format!("has its data in {}, which is not a file", Quoted(location)));
            }
            let file = File::open(&path).map_err(failed)?;
            let size = file.metadata().map_err(failed)?.len();
            self.left = self.left.saturating_add(size.saturating_mul(2));
            self.open.insert(path.clone(), (file, size));
        }
        let (file, size) = self.open.get_mut(&path).expect("opened just now, or before");
        Ok((file, *size))
    }
}

/// Where the numbers of a tensor lie.
struct Source<'a> {
    location: &'a str,
    offset: u64,
    length: u64,
}

impl<'a> Source<'a> {
    fn of(tensor: &'a TensorProto) -> Result<Self, Reason> {
        for (at, entry) in tensor.external_data.iter().enumerate() {
            if tensor.external_data[..at].iter().any(|earlier| earlier.key == entry.key) {
                return Err(format!(
                    "says twice where its data in another file is: the key {} appears twice",
                    Quoted(&entry.key)
                ));
            }
        }
        let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let number = |key: &str| {
            let unusable =
                |text: &str| format!("has its data in another file at {key} {}, which is not a number", Quoted(text));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let number = |text: &str| text.parse::<u64>().ok().filter(|_| digits(text)).ok_or_else(|| unusable(text));
            entry(key).map(number).transpose()
        };
        let claimed = size(tensor)?;
        let length = number("length")?.unwrap_or(claimed);
        if length != claimed {
            return Err(format!(
                "claims {claimed} bytes of another file, but gives the length {length}; the file is damaged"
            ));
        }
        let location = entry("location").ok_or("has its data in another file, which it does not name")?;
        Ok(Self { location, offset: number("offset")?.unwrap_or(0), length })
    }
}

/// The bytes that a tensor's shape and type ask for.
fn size(tensor: &TensorProto) -> Result<u64, Reason> {
    let width: u64 = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Double | DataType::Int64 | DataType::Uint64) => 8,
        Ok(DataType::Float | DataType::Int32 | DataType::Uint32) => 4,
        Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16) => 2,
        Ok(DataType::Int8 | DataType::Uint8 | DataType::Bool) => 1,
        _ => {
            return Err(format!(
                "has element type {} in another file, which is not supported",
                type_name(tensor.data_type)
            ));
        }
    };
    let shape: Vec<usize> = tensor.dims.iter().map(|&d| usize::try_from(d).unwrap_or(usize::MAX)).collect();
    let bytes = elements(&shape)?.try_into().ok().and_then(|count: u64| count.checked_mul(width));
    bytes.ok_or_else(|| format!("has the shape {shape:?}, which has more entries than can be counted"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::onnx::proto::StringStringEntryProto;
    use crate::import::onnx::testing::{floats, model, node};
    use crate::import::{ImportError, ImportOptions, Imported, from_bytes, load};
    use prost::Message;
    use std::sync::atomic::{AtomicUsize, Ordering};

    type Fallible = Result<(), Box<dyn std::error::Error>>;

    /// A folder that is removed with everything in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> std::io::Result<Self> {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("geolip-external-{}-{number}", std::process::id()));
            std::fs::create_dir_all(&path)?;
            Ok(Self(path))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn entries(pairs: &[(&str, &str)]) -> Vec<StringStringEntryProto> {
        let entry =
            |(key, value): &(&str, &str)| StringStringEntryProto { key: (*key).to_owned(), value: (*value).to_owned() };
        pairs.iter().map(entry).collect()
    }

    /// y = x·w with w = (2, 3), which lies elsewhere.
    fn elsewhere(pairs: &[(&str, &str)]) -> Vec<u8> {
        let weight = TensorProto { data_location: Some(1), external_data: entries(pairs), ..floats("w", &[2], &[]) };
        model(13, &[1, 2], vec![node("Mul", &["x", "w"], "y")], vec![weight]).encode_to_vec()
    }

    fn numbers() -> Vec<u8> {
        [0.0_f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn imported(folder: &Folder, pairs: &[(&str, &str)]) -> Result<Imported, ImportError> {
        let path = folder.0.join("net.onnx");
        std::fs::write(&path, elsewhere(pairs)).expect("the folder is writable");
        load(&path, &ImportOptions::default())
    }

    #[test]
    fn numbers_are_fetched_from_beside_the_model() -> Fallible {
        let folder = Folder::new()?;
        std::fs::write(folder.0.join("net.data"), numbers())?;
        for pairs in [
            &[("location", "net.data"), ("offset", "4"), ("length", "8")][..],
            &[("location", "./net.data"), ("offset", "4")],
        ] {
            let imported = imported(&folder, pairs)?;
            assert_eq!(imported.network.evaluate(&[1.0, 1.0]), [2.0, 3.0]);
            assert!(
                matches!(imported.self_check, crate::import::SelfCheck::Agrees { .. }),
                "{:?}",
                imported.self_check
            );
        }
        Ok(())
    }

    #[test]
    fn numbers_that_are_both_here_and_elsewhere_are_not_chosen_from() -> Fallible {
        let folder = Folder::new()?;
        std::fs::write(folder.0.join("net.data"), numbers())?;
        let external_data = entries(&[("location", "net.data"), ("offset", "4")]);
        let here = TensorProto { raw_data: vec![0; 8], external_data, ..floats("w", &[2], &[]) };
        let listed = TensorProto { float_data: vec![5.0, 7.0], raw_data: vec![], ..here.clone() };
        let beyond = TensorProto { data_location: Some(2), raw_data: vec![], ..here.clone() };
        for (weight, reason) in
            [(here, "both here and in another file"), (listed, "stores its numbers twice"), (beyond, "a kind of place")]
        {
            let path = folder.0.join("net.onnx");
            let nodes = vec![node("Mul", &["x", "w"], "y")];
            std::fs::write(&path, model(13, &[1, 2], nodes, vec![weight]).encode_to_vec())?;
            let refusal = load(&path, &ImportOptions::default()).expect_err(reason).to_string();
            assert!(refusal.contains(reason), "{refusal}");
        }
        Ok(())
    }

    #[test]
    fn what_is_not_there_or_not_allowed_is_named() -> Fallible {
        let folder = Folder::new()?;
        std::fs::write(folder.0.join("net.data"), numbers())?;
        std::fs::create_dir(folder.0.join("inner"))?;
        for (pairs, expected) in [
            (&[("location", "../net.data")][..], "has its data in '../net.data', which is outside the model's folder"),
            (&[("location", "/etc/passwd")], "has its data in '/etc/passwd', which is outside the model's folder"),
            (&[("location", "inner")], "has its data in 'inner', which is not a file"),
            (&[("offset", "4")], "has its data in another file, which it does not name"),
            (
                &[("location", "net.data"), ("offset", "8")],
                "lies in 'net.data' from byte 8 on, 8 bytes long, but that file has 12 bytes",
            ),
            (
                &[("location", "net.data"), ("offset", "18446744073709551615")],
                "lies in 'net.data' from byte 18446744073709551615 on, 8 bytes long, but that file has 12 bytes",
            ),
            (
                &[("location", "net.data"), ("length", "4")],
                "claims 8 bytes of another file, but gives the length 4; the file is damaged",
            ),
            (
                &[("location", "net.data"), ("offset", "4"), ("offset", "0")],
                "says twice where its data in another file is: the key 'offset' appears twice",
            ),
            (
                &[("location", "net.data"), ("location", "other.data")],
                "says twice where its data in another file is: the key 'location' appears twice",
            ),
            (
                &[("location", "inner/../net.data")],
                "has its data in 'inner/../net.data', which is outside the model's folder",
            ),
            (
                &[("location", "net.data"), ("offset", "+4")],
                "has its data in another file at offset '+4', which is not a number",
            ),
            (
                &[("location", "net.data"), ("offset", "-1")],
                "has its data in another file at offset '-1', which is not a number",
            ),
        ] {
            let text = imported(&folder, pairs).expect_err("no data").to_string();
            assert!(text.ends_with(&format!("initialiser 'w': {expected}")), "{text}");
        }
        let missing = imported(&folder, &[("location", "gone.data")]).expect_err("no file").to_string();
        assert!(missing.contains("has its data in 'gone.data', which cannot be read: "), "{missing}");
        assert!(missing.ends_with("; keep it beside the model"), "{missing}");
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_no_file_outside_the_folder() -> Fallible {
        use std::os::unix::fs::symlink;
        let (folder, elsewhere) = (Folder::new()?, Folder::new()?);
        std::fs::write(elsewhere.0.join("net.data"), numbers())?;
        symlink(elsewhere.0.join("net.data"), folder.0.join("file.data"))?;
        symlink(&elsewhere.0, folder.0.join("inner"))?;
        symlink(folder.0.join("file.data"), folder.0.join("twice.data"))?;
        for location in ["file.data", "inner/net.data", "twice.data"] {
            let text = imported(&folder, &[("location", location), ("offset", "4")]).expect_err("a link").to_string();
            assert!(text.contains("which is a link out of the model's folder"), "{location}: {text}");
        }
        symlink("/dev/zero", folder.0.join("zero.data"))?;
        assert!(imported(&folder, &[("location", "zero.data")]).is_err());
        // a link within the folder, and a model that is reached through one, as download caches have them
        std::fs::write(folder.0.join("net.data"), numbers())?;
        symlink("net.data", folder.0.join("near.data"))?;
        assert!(imported(&folder, &[("location", "near.data"), ("offset", "4")]).is_ok());
        symlink(&folder.0, elsewhere.0.join("models"))?;
        assert!(load(&elsewhere.0.join("models/net.onnx"), &ImportOptions::default()).is_ok());
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for() -> Fallible {
        let folder = Folder::new()?;
        let made = std::process::Command::new("mkfifo").arg(folder.0.join("pipe.data")).status();
        if made.is_ok_and(|status| status.success()) {
            let text = imported(&folder, &[("location", "pipe.data")]).expect_err("a pipe").to_string();
            assert!(text.ends_with("has its data in 'pipe.data', which is not a file"), "{text}");
        }
        Ok(())
    }

    #[test]
    fn bytes_lead_to_no_other_file() {
        let bytes = elsewhere(&[("location", "net.data")]);
        let error = from_bytes(&bytes, Path::new("net.onnx"), &ImportOptions::default()).expect_err("no folder");
        assert_eq!(
            error.to_string(),
            "net.onnx: initialiser 'w': has its data in another file, which bytes alone do not lead to; load the model by \
             its path"
        );
    }

    #[test]
    fn a_claim_of_a_trillion_numbers_allocates_nothing() -> Fallible {
        let folder = Folder::new()?;
        std::fs::write(folder.0.join("net.data"), numbers())?;
        let pairs = [("location", "net.data")];
        let weight = TensorProto {
            data_location: Some(1),
            external_data: entries(&pairs),
            ..floats("w", &[1_000_000, 1_000_000], &[])
        };
        let model = model(13, &[1, 2], vec![node("Mul", &["x", "w"], "y")], vec![weight]);
        let path = folder.0.join("net.onnx");
        std::fs::write(&path, model.encode_to_vec())?;
        let text = load(&path, &ImportOptions::default()).expect_err("a false claim").to_string();
        assert!(text.contains("4000000000000 bytes long, but that file has 12 bytes"), "{text}");
        Ok(())
    }
}
