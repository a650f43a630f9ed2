//! A zip archive, read strictly: what its directory says and what stands before each member have to agree, the members
//! fill the file without gaps, and every checksum is verified. Not a general reader of zip files: no encryption, no
//! archive of more than 4 GiB, no methods but storing and deflating, nothing before or behind the archive.
//!
//! Leniency is what makes two readers see two archives in one file, and a damaged one look whole: a directory that lost
//! a member, or names it otherwise than the member itself does, is an error here.
//!
//! Source: PKWARE, APPNOTE.TXT, version 6.3.10, sections 4.3 and 4.4.

use super::inflate::{budget, inflate};
use crate::import::Plain;
use flate2::Crc;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A member, and what it holds.
pub(super) struct Member<'a> {
    pub(super) name: String,
    pub(super) content: Cow<'a, [u8]>,
}

/// What is wrong with an archive: with a member, or as a whole.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) member: Option<String>,
    pub(super) reason: String,
}

/// Whether the bytes begin as those of an archive.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL) || bytes.starts_with(END)
}

/// The members of an archive, in the order of its directory.
pub(super) fn members(bytes: &[u8]) -> Result<Vec<Member<'_>>, Damage> {
    let whole = |reason: &str| Damage { member: None, reason: format!("damaged archive: {reason}") };
    let (count, directory, start) = directory(bytes).map_err(whole)?;
    let mut rest = directory;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(Entry::read(&mut rest).ok_or_else(|| whole("its directory is cut short"))?);
    }
    if !rest.is_empty() {
        return Err(whole("its directory has more members than it counts"));
    }
    let mut names = BTreeSet::new();
    if let Some(entry) = entries.iter().find(|entry| entry.header.flags & ENCRYPTED != 0) {
        return Err(entry.refused("is encrypted, which is not read"));
    }
    if let Some(twice) = entries.iter().find(|entry| !names.insert(entry.header.name)) {
        return Err(twice.damage("is in the archive twice"));
    }
    let mut places: Vec<usize> = (0..entries.len()).collect();
    places.sort_by_key(|&index| entries[index].offset);
    let mut packed: Vec<&[u8]> = vec![&[]; entries.len()];
    let mut at = 0;
    for (number, &index) in places.iter().enumerate() {
        let entry = &entries[index];
        let end = places.get(number + 1).map_or(start, |&next| entries[next].offset);
        if entry.offset != at || end <= at || end > start {
            return Err(entry.damage("overlaps another member, or leaves a gap"));
        }
        packed[index] = entry.packed(&bytes[at..end]).map_err(|reason| entry.damage(reason))?;
        at = end;
    }
    if at != start {
        return Err(whole("it has bytes that belong to no member"));
    }
    let mut left = budget(bytes);
    entries.iter().zip(packed).map(|(entry, packed)| entry.member(packed, &mut left)).collect()
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// Flags of a member: encrypted; sizes and checksum follow its content; the name is in UTF-8. Two more say how hard the
/// compressor tried.
const ENCRYPTED: u16 = 1;
const DESCRIBED: u16 = 1 << 3;
const KNOWN: u16 = DESCRIBED | 1 << 11 | 0b110;

/// What stands for a size that another field holds.
const ELSEWHERE: u32 = u32::MAX;

/// The number of members, the directory, and where it begins.
fn directory(bytes: &[u8]) -> Result<(u16, &[u8], usize), &'static str> {
    const LENGTH: usize = 22;
    let Some(end) = bytes.len().checked_sub(LENGTH) else { return Err("it is cut short") };
    let mut fields = bytes[end..].strip_prefix(END).ok_or("it is cut short, or something follows it")?;
    let [disk, first, here, count] = [0; 4].map(|_: u8| u16_of(&mut fields).unwrap_or_default());
    let [size, offset] = [0; 2].map(|_: u8| u32_of(&mut fields).unwrap_or_default());
    if count == u16::MAX || offset == ELSEWHERE || size == ELSEWHERE {
        return Err("it says that it is too large for a plain zip file; archives of up to 4 GiB are read");
    }
    if (disk, first) != (0, 0) || here != count {
        return Err("it is a part of several");
    }
    if fields != [0, 0] {
        return Err("it has a comment; such archives are not read");
    }
    let start = usize::try_from(offset).map_err(|_| "it is too large")?;
    match start.checked_add(size as usize) {
        Some(found) if found == end => Ok((count, &bytes[start..end], start)),
        _ => Err("its directory is not where it says"),
    }
}

/// What the directory and the header before a member's content both say of it.
struct Header<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
}

/// The fields of fixed length that both have, in the same order.
struct Told {
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    /// The lengths of what follows.
    name: usize,
    extra: usize,
}

impl Told {
    fn read(rest: &mut &[u8]) -> Option<Self> {
        let (flags, method) = (u16_of(rest)?, u16_of(rest)?);
        take(rest, 4)?; // when
        let (crc, packed, size) = (u32_of(rest)?, u32_of(rest)?, u32_of(rest)?);
        let (name, extra) = (usize::from(u16_of(rest)?), usize::from(u16_of(rest)?));
        Some(Self { flags, method, crc, packed, size, name, extra })
    }

    fn header<'a>(&self, name: &'a [u8], [size, packed]: [u64; 2]) -> Header<'a> {
        Header { name, flags: self.flags, method: self.method, crc: self.crc, packed, size }
    }
}

/// A member as the directory has it.
struct Entry<'a> {
    header: Header<'a>,
    offset: usize,
    disk: u16,
}

impl<'a> Entry<'a> {
    fn read(rest: &mut &'a [u8]) -> Option<Self> {
        take(rest, 4).filter(|signature| *signature == CENTRAL)?;
        take(rest, 4)?; // the versions of who wrote it and of who can read it
        let told = Told::read(rest)?;
        let comment = usize::from(u16_of(rest)?);
        let disk = u16_of(rest)?;
        take(rest, 6)?; // attributes in some file system
        let offset = u32_of(rest)?;
        let (name, extra, _comment) = (take(rest, told.name)?, take(rest, told.extra)?, take(rest, comment)?);
        let [size, packed, offset] = widened([told.size, told.packed, offset], extra)?;
        let offset = usize::try_from(offset).ok()?;
        Some(Self { header: told.header(name, [size, packed]), offset, disk })
    }

    fn refused(&self, reason: impl std::fmt::Display) -> Damage {
        let member = Plain(&String::from_utf8_lossy(self.header.name)).to_string();
        Damage { member: Some(member), reason: reason.to_string() }
    }

    fn damage(&self, reason: impl std::fmt::Display) -> Damage {
        self.refused(format!("{reason}; the archive is damaged"))
    }

    /// The packed content in the bytes between this member's beginning and the next.
    fn packed(&self, bytes: &'a [u8]) -> Result<&'a [u8], &'static str> {
        if self.header.flags & !KNOWN != 0 || self.disk != 0 {
            return Err("is of an unknown kind");
        }
        let mut rest = bytes;
        let local = Header::before_content(&mut rest).ok_or("has a header that is not understood")?;
        if (local.name, local.flags, local.method) != (self.header.name, self.header.flags, self.header.method) {
            return Err("is called or packed otherwise in the directory than before its content");
        }
        let packed = usize::try_from(self.header.packed).ok().and_then(|length| take(&mut rest, length));
        let packed = packed.ok_or("is longer than its place in the file")?;
        let described = self.header.flags & DESCRIBED != 0;
        let same = |before: u64, here: u64| before == here || (described && before == 0);
        if !same(local.crc.into(), self.header.crc.into())
            || !same(local.packed, self.header.packed)
            || !same(local.size, self.header.size)
        {
            return Err("has other sizes or another checksum in the directory than before its content");
        }
        match (described, rest.is_empty()) {
            (false, true) => Ok(packed),
            (true, false) if self.is_descriptor(rest) => Ok(packed),
            (true, _) => Err("has other sizes or another checksum in the directory than behind its content"),
            (false, false) => Err("is shorter than its place in the file"),
        }
    }

    /// Whether these bytes are what follows a member that is described behind its content.
    fn is_descriptor(&self, bytes: &[u8]) -> bool {
        let (crc, sizes) =
            (self.header.crc.to_le_bytes(), [self.header.packed.to_le_bytes(), self.header.size.to_le_bytes()]);
        let long = [&crc[..], sizes.as_flattened()].concat();
        let short = [&crc[..], &sizes[0][..4], &sizes[1][..4]].concat();
        let after = bytes.strip_prefix(DESCRIPTOR).unwrap_or(bytes);
        [bytes, after].iter().any(|bytes| *bytes == long || *bytes == short)
    }

    /// The content: unpacked, of the size and the checksum that the directory states.
    fn member(&self, packed: &'a [u8], left: &mut u64) -> Result<Member<'a>, Damage> {
        let name = str::from_utf8(self.header.name).map_err(|_| self.damage("has a name that is not in UTF-8"))?;
        let size = self.header.size;
        let content = match self.header.method {
            0 if self.header.packed == self.header.size => Cow::Borrowed(packed),
            0 => return Err(self.damage("is stored, but claims two sizes")),
            8 => {
                *left = left.checked_sub(size).ok_or_else(|| {
                    self.refused(format!("of {size} bytes is too large beside the file; save it uncompressed"))
                })?;
                Cow::Owned(inflate(packed, false, size).map_err(|reason| self.damage(reason))?)
            }
            other => return Err(self.damage(format!("is compressed by the unknown method {other}"))),
        };
        if content.len() as u64 != size {
            return Err(self.damage(format!("claims {size} bytes but holds {}", content.len())));
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() != self.header.crc {
            return Err(self.damage("does not have its checksum"));
        }
        Ok(Member { name: name.to_owned(), content })
    }
}

impl<'a> Header<'a> {
    /// What stands before the content of a member.
    fn before_content(rest: &mut &'a [u8]) -> Option<Self> {
        take(rest, 4).filter(|signature| *signature == LOCAL)?;
        take(rest, 2)?; // the version of who can read it
        let told = Told::read(rest)?;
        let (name, extra) = (take(rest, told.name)?, take(rest, told.extra)?);
        Some(told.header(name, widened([told.size, told.packed], extra)?))
    }
}

/// What fields of 4 bytes tell; where they say so, in 8 bytes of the field for large numbers, as NumPy writes it for small
/// ones, too.
fn widened<const N: usize>(told: [u32; N], mut fields: &[u8]) -> Option<[u64; N]> {
    const LARGE: u16 = 1;
    let mut large = None;
    while !fields.is_empty() {
        let (kind, length) = (u16_of(&mut fields)?, u16_of(&mut fields)?);
        let field = take(&mut fields, usize::from(length))?;
        if kind == LARGE && large.replace(field).is_some() {
            return None;
        }
    }
    let mut wide = told.map(u64::from);
    if told.contains(&ELSEWHERE) {
        let mut rest = large?;
        for value in wide.iter_mut().filter(|value| **value == u64::from(ELSEWHERE)) {
            *value = u64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?);
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(wide)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn u16_of(rest: &mut &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(take(rest, 2)?.try_into().ok()?))
}

fn u32_of(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}
