//! Payment card numbers: issuers, lengths and the check digit.

/// Whether these digits are a payment card: an issuer's prefix and length, and the check digit.
pub(super) fn is_card(digits: &str) -> bool {
    let prefix = |length: usize| {
        digits
            .get(..length)
            .and_then(|text| text.parse::<u32>().ok())
    };
    let (Some(one), Some(two), Some(three), Some(four)) =
        (prefix(1), prefix(2), prefix(3), prefix(4))
    else {
        return false;
    };
    let issued = match digits.len() {
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => {
            one == 4
                || matches!(two, 51..=55 | 62 | 65 | 67)
                || matches!(three, 644..=649)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011)
        }
        17..=19 => one == 4 && digits.len() == 19 || two == 62,
        _ => false,
    };
    issued && luhn(digits)
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            match (at % 2, digit * 2) {
                (0, _) => digit,
                (_, double) => double / 10 + double % 10,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
