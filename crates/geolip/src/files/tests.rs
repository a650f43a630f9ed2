//! What is written where, and what stays as it was.

#![allow(clippy::print_stdout)] // why a test was skipped

use super::*;
use std::fs;
use tempfile::{TempDir, tempdir};

fn folder() -> TempDir {
    tempdir().expect("a folder")
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    Destination::open(path)?.write(text.as_bytes())
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_and_its_partial_neighbour_is_not() {
    let folder = folder();
    let [path, neighbour] = ["c.json", "c.json.partial"].map(|name| folder.path().join(name));
    fs::write(&path, "old").expect("writable");
    fs::write(&neighbour, "the user's").expect("writable");
    write(&path, "new").expect("written");
    assert_eq!(fs::read_to_string(&path).expect("there"), "new");
    assert_eq!(fs::read_to_string(&neighbour).expect("there"), "the user's");
    assert_eq!(names(&folder), ["c.json", "c.json.partial"]);
}

#[test]
fn looking_at_a_place_changes_nothing() {
    let folder = folder();
    let path = folder.path().join("c.json");
    drop(Destination::open(&path).expect("a place"));
    assert!(names(&folder).is_empty());
    fs::write(&path, "old").expect("writable");
    drop(Destination::open(&path).expect("a place"));
    assert_eq!(fs::read_to_string(&path).expect("there"), "old");
}

#[test]
fn what_fails_in_the_middle_leaves_the_old_file() {
    let folder = folder();
    let path = folder.path().join("c.json");
    fs::write(&path, "old").expect("writable");
    let failed = Destination::open(&path).expect("a place").write_with(|out| {
        out.write_all(b"half")?;
        Err(io::Error::other("no more"))
    });
    assert_eq!(failed.expect_err("it failed").to_string(), "no more");
    assert_eq!((fs::read_to_string(&path).expect("there").as_str(), names(&folder).len()), ("old", 1));
}

#[test]
fn folders_and_what_is_in_no_folder_are_refused_at_once() {
    let folder = folder();
    let kind = |path: &Path| Destination::open(path).expect_err("refused").kind();
    assert_eq!(kind(folder.path()), io::ErrorKind::IsADirectory);
    assert_eq!(kind(&folder.path().join("none/c.json")), io::ErrorKind::NotFound);
    assert_eq!(kind(&folder.path().join("none/")), io::ErrorKind::NotADirectory);
    assert_eq!(kind(Path::new("")), io::ErrorKind::InvalidInput);
}

#[test]
fn a_folder_that_went_away_is_an_error_and_no_panic() {
    let folder = folder();
    let destination = Destination::open(&folder.path().join("c.json")).expect("a place");
    folder.close().expect("removed");
    assert!(destination.write(b"late").is_err());
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    use std::process::Command;

    #[test]
    fn links_stay_links_also_where_they_lead_to_nothing_yet() {
        let folder = folder();
        fs::create_dir(folder.path().join("deep")).expect("a folder");
        let [link, target] = ["link", "deep/target"].map(|name| folder.path().join(name));
        symlink("deep/target", &link).expect("a link");
        let second = folder.path().join("second");
        symlink("link", &second).expect("a link");
        for text in ["one", "two"] {
            write(&second, text).expect("written");
            assert!(second.is_symlink() && link.is_symlink() && !target.is_symlink());
            assert_eq!(fs::read_to_string(&target).expect("there"), text);
        }
        symlink("loop", folder.path().join("loop")).expect("a link");
        assert!(Destination::open(&folder.path().join("loop")).is_err());
    }

    #[test]
    fn permissions_are_kept() {
        let folder = folder();
        let path = folder.path().join("c.json");
        for mode in [0o600, 0o664, 0o755] {
            fs::write(&path, "old").expect("writable");
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("the owner's");
            write(&path, "new").expect("written");
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, mode);
        }
        let [new, other] = ["new", "other"].map(|name| folder.path().join(name));
        write(&new, "").expect("written");
        fs::write(&other, "").expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode(&new), mode(&other), "a new file has the permissions of any new file");
    }

    #[test]
    fn devices_and_pipes_are_written_through() {
        write(Path::new("/dev/null"), "nothing").expect("written");
        assert!(fs::metadata("/dev/null").expect("there").file_type().is_char_device());
        let folder = folder();
        let pipe = folder.path().join("pipe");
        if !Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
            return println!("skipped: there is no mkfifo");
        }
        let place = Destination::open(&pipe).expect("nobody has to read yet");
        let read = pipe.clone();
        let reader = std::thread::spawn(move || fs::read_to_string(read).expect("readable"));
        place.write(b"through").expect("written");
        assert_eq!(reader.join().expect("read"), "through");
        assert!(fs::metadata(&pipe).expect("there").file_type().is_fifo());
        if Path::new("/dev/full").exists() {
            assert!(write(Path::new("/dev/full"), "too much").is_err());
        }
    }

    #[test]
    fn the_same_file_is_known_by_any_name() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "").expect("writable");
        fs::hard_link(at("a"), at("hard")).expect("a link");
        symlink("a", at("soft")).expect("a link");
        symlink("none", at("dangling")).expect("a link");
        for (a, b) in [("a", "hard"), ("a", "soft"), ("soft", "./a"), ("none", "dangling"), ("none", "./none")] {
            assert!(same(&at(a), &at(b)), "{a} {b}");
        }
        for (a, b) in [("a", "none"), ("none", "none2")] {
            assert!(!same(&at(a), &at(b)), "{a} {b}");
        }
        assert!(!same(Path::new("/dev/null"), Path::new("/dev/null")), "a device takes everything");
    }

    #[test]
    fn streams_are_known_by_the_names_of_their_descriptors() {
        if !Path::new("/proc/self/fd/1").exists() {
            return println!("skipped: there is no /proc");
        }
        for (name, place) in [
            ("/dev/stdout", Place::Standard(Standard::Output)),
            ("/dev/fd/2", Place::Standard(Standard::Error)),
            ("/proc/self/fd/1", Place::Standard(Standard::Output)),
        ] {
            assert_eq!(Place::of(Path::new(name)).expect("a place"), place, "{name}");
        }
        assert!(
            same(Path::new("/dev/stdout"), Path::new("/dev/fd/1"))
                || fs::metadata("/dev/stdout").is_ok_and(|m| m.file_type().is_char_device())
        );
        let folder = folder();
        let file = File::create(folder.path().join("open")).expect("made");
        let name = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        write(Path::new(&name), "through the descriptor").expect("written");
        assert_eq!(file.metadata().expect("there").len(), 22, "the open file itself was written");
    }
}
