//! `application/x-www-form-urlencoded`, as carriers post and sign it: what was signed is what is read.

/// The names and values in their order, percent-decoded. Values are bytes: a signature is over bytes,
/// and nobody promises that they are UTF-8. A broken escape stands for itself.
pub fn pairs(form: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    form.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (decode(&pair[..at]), decode(&pair[at + 1..])),
            None => (decode(pair), Vec::new()),
        })
        .collect()
}

/// The same, sorted by name and then by value, as Twilio and Plivo sign them.
pub(super) fn sorted(form: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = pairs(form);
    pairs.sort();
    pairs
}

fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high << 4 | low));
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (other, ..) => out.push(*other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_and_broken_escapes_kept() {
        let read: Vec<(Vec<u8>, Vec<u8>)> = pairs(b"a=1+2&&b=%2B1&c&=x&d=%zz%4&e=%ff&f=a=b");
        let expected: [(&[u8], &[u8]); 7] = [
            (b"a", b"1 2"),
            (b"b", b"+1"),
            (b"c", b""),
            (b"", b"x"),
            (b"d", b"%zz%4"),
            (b"e", b"\xff"),
            (b"f", b"a=b"),
        ];
        assert_eq!(read.len(), expected.len());
        for ((name, value), (wanted_name, wanted)) in read.iter().zip(expected) {
            assert_eq!((name.as_slice(), value.as_slice()), (wanted_name, wanted));
        }
        assert!(pairs(b"").is_empty());
    }

    #[test]
    fn names_are_sorted_and_then_values() {
        let read = sorted(b"b=2&a=9&b=1");
        let names: Vec<_> = read.iter().map(|(_, value)| value[0]).collect();
        assert_eq!(names, b"912");
    }
}
