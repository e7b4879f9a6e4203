//! The forms that a body has before proxies, editors and careless copies change it.

/// What to do about a body that was changed on its way.
pub(super) const MEND: &str = "pass on and save the body byte for byte: no re-encoded JSON, no added \
                               or lost line end, no charset conversion";

/// Every form that is likely, with how it differs from the body at hand.
pub(super) fn forms(body: &[u8]) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let trimmed = body.trim_ascii_end();
    let mut forms: Vec<(&'static str, Vec<u8>)> = vec![
        ("without the line end behind it", trimmed.to_vec()),
        ("with a line end behind it", [body, b"\n"].concat()),
        (
            "with a line end (CR LF) behind it",
            [body, b"\r\n"].concat(),
        ),
        ("without the space around it", body.trim_ascii().to_vec()),
        ("with LF for CR LF", lines(body, b"\n")),
        ("with CR LF for LF", lines(body, b"\r\n")),
    ];
    if let Some(bare) = body.strip_prefix(b"\xef\xbb\xbf") {
        forms.push(("without the byte order mark before it", bare.to_vec()));
    }
    forms.push((
        "as JSON without spaces, before it was written anew",
        respaced(trimmed, b",", b":"),
    ));
    forms.push((
        "as JSON with a space behind commas and colons, before it was written anew",
        respaced(trimmed, b", ", b": "),
    ));
    forms.into_iter().filter(move |(_, form)| form != body)
}

/// The body with these line ends.
fn lines(body: &[u8], end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.extend_from_slice(end);
        }
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    out
}

/// The JSON text with other space between its tokens; what stands in strings is left alone.
fn respaced(json: &[u8], comma: &[u8], colon: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for byte in json {
        match byte {
            _ if in_string => {
                out.push(*byte);
                in_string = escaped || *byte != b'"';
                escaped = !escaped && *byte == b'\\';
            }
            b',' => out.extend_from_slice(comma),
            b':' => out.extend_from_slice(colon),
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                out.push(*byte);
                in_string = *byte == b'"';
            }
        }
    }
    out
}
