//! Where in an event a rule holds: `request.headers.*`, `extra.**.name`, `tags.user_key`, `$message`.
//!
//! A path is followed name by name while a value is walked: the state of a rule is a set of places in its path, one bit
//! each, so that `**` costs no search.

use super::columns;

/// The most names of a path.
const SEGMENTS_MAX: usize = 16;
const PATH_BYTES_MAX: usize = 256;

/// The bit that says: the path has come to its end here or further up.
const COVERED: u32 = 1 << 31;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of names, also none.
    Deep,
    /// A name in lowercase, `*` in it for any letters.
    Name(String),
}

/// A compiled path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    segments: Vec<Segment>,
}

/// How far a path has been followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// The path has come to its end here or further up.
    pub(super) fn is_covered(self) -> bool {
        self.0 & COVERED != 0
    }

    /// The path may still come to its end below.
    pub(super) fn is_alive(self) -> bool {
        self.0 != 0
    }
}

impl Path {
    /// Reads a path; an error says what is wrong with it, and what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, (String, String)> {
        let hint =
            || "write a column and the names below it, such as `request.headers.*`, `extra.**.name` or `$message`";
        if text.is_empty() || text.len() > PATH_BYTES_MAX {
            return Err((format!("`path` must have 1 to {PATH_BYTES_MAX} bytes"), hint().to_owned()));
        }
        let text = text.strip_prefix('$').unwrap_or(text).to_lowercase();
        let text = match text.as_str() {
            "user.id" | "user.email" | "user.ip" => text.replace('.', "_"),
            _ => text,
        };
        let mut segments = Vec::new();
        for name in text.split('.') {
            match name {
                "" => return Err((format!("`path` has an empty name: `{text}`"), hint().to_owned())),
                "**" if segments.last() == Some(&Segment::Deep) => {}
                "**" => segments.push(Segment::Deep),
                name => segments.push(Segment::Name(name.to_owned())),
            }
        }
        if segments.len() > SEGMENTS_MAX {
            return Err((
                format!("`path` has more than {SEGMENTS_MAX} names"),
                "use `**` for several names".to_owned(),
            ));
        }
        if let Some(Segment::Name(column)) = segments.first()
            && !columns::names().any(|name| is_like(column, name))
        {
            let names: Vec<_> = columns::names().collect();
            return Err((
                format!("`path` begins with `{column}`, which is no column"),
                format!("columns are {}", names.join(", ")),
            ));
        }
        Ok(Self { segments })
    }

    /// The place before the column's name.
    pub(super) fn start(&self) -> Place {
        self.closed(1)
    }

    /// The place behind one name; a dot in it parts names.
    pub(super) fn step(&self, place: Place, name: &str) -> Place {
        if place.0 == 0 {
            return place;
        }
        name.split('.').fold(place, |place, part| self.step_part(place, part))
    }

    fn step_part(&self, place: Place, name: &str) -> Place {
        let mut next = place.0 & COVERED;
        for (index, segment) in self.segments.iter().enumerate().filter(|(index, _)| place.0 >> index & 1 == 1) {
            match segment {
                Segment::Deep => next |= 1 << index,
                Segment::Name(pattern) if is_like(pattern, name) => next |= 1 << (index + 1),
                Segment::Name(_) => {}
            }
        }
        self.closed(next)
    }

    /// With the places that `**` reaches by matching nothing.
    fn closed(&self, mut bits: u32) -> Place {
        for (index, segment) in self.segments.iter().enumerate() {
            if bits >> index & 1 == 1 && *segment == Segment::Deep {
                bits |= 1 << (index + 1);
            }
        }
        let end = 1 << self.segments.len();
        Place(if bits & end != 0 { bits & !end | COVERED } else { bits })
    }
}

/// Whether `name` is like `pattern` (lowercase), in which `*` stands for any letters.
pub(crate) fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == name[n].to_ascii_lowercase() => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, names: &[&str], expected: bool) {
        let path = Path::parse(path).unwrap();
        let place = names.iter().fold(path.start(), |place, name| path.step(place, name));
        assert_eq!(place.is_covered(), expected, "{path:?} {names:?}");
    }

    #[test]
    fn follows_names() {
        check("request.headers.*", &["request", "headers", "Cookie"], true);
        check("request.headers.*", &["request", "headers"], false);
        check("request.headers.*", &["request", "headers", "a", "b"], true);
        check("extra.**.name", &["extra", "name"], true);
        check("extra.**.name", &["extra", "a", "b", "Name"], true);
        check("extra.**.name", &["contexts", "a", "name"], false);
        check("**.x_*", &["tags", "X_y"], true);
        check("attributes.http.url", &["attributes", "http.url"], true);
        check("$message", &["message"], true);
        check("user.email", &["user_email"], true);
        check("*.a", &["extra", "a"], true);
        check("**", &["stack"], true);
    }

    #[test]
    fn refuses_what_is_no_path() {
        for bad in ["", "extra..a", "foo.bar", "$nothing", &"a.".repeat(200), "extra.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
