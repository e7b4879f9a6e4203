//! Which columns of a table are shown in a given room, and how wide each of them is.

/// What stands between two columns.
pub(super) const GAP: usize = 2;

/// What a column asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// The columns of the terminal that show it whole.
    pub(super) most: usize,
    /// Those that it needs, for no id and no word to be broken.
    pub(super) least: usize,
    /// The higher, the earlier it is left out; 0 is never.
    pub(super) spare: u8,
}

/// How wide each column is in so much room; none where it is left out. Where even those that stay do not
/// fit, they are wider than the room.
pub(super) fn widths(wishes: &[Wish], room: usize) -> Vec<Option<usize>> {
    let mut kept = vec![true; wishes.len()];
    let mut spares: Vec<usize> = (0..wishes.len())
        .filter(|at| wishes[*at].spare > 0)
        .collect();
    spares.sort_by_key(|at| wishes[*at].spare);
    for at in spares.iter().rev() {
        if needed(wishes, &kept) <= room {
            break;
        }
        kept[*at] = false;
    }
    // What is narrow may find a place where something wider did not.
    for at in spares {
        if !kept[at] {
            kept[at] = true;
            kept[at] = needed(wishes, &kept) <= room;
        }
    }
    let rest = room.saturating_sub(needed(wishes, &kept));
    shared(wishes, &kept, rest)
}

fn needed(wishes: &[Wish], kept: &[bool]) -> usize {
    let shown = || wishes.iter().zip(kept).filter(|(_, kept)| **kept);
    let least: usize = shown().map(|(wish, _)| wish.least).sum();
    least + GAP * shown().count().saturating_sub(1)
}

/// Shares what is left among those that would be wider, the most modest first.
fn shared(wishes: &[Wish], kept: &[bool], mut rest: usize) -> Vec<Option<usize>> {
    let mut widths: Vec<_> = wishes
        .iter()
        .zip(kept)
        .map(|(wish, kept)| kept.then_some(wish.least))
        .collect();
    let lacks = |at: &usize| wishes[*at].most - wishes[*at].least;
    let mut wanting: Vec<usize> = (0..wishes.len())
        .filter(|at| kept[*at] && lacks(at) > 0)
        .collect();
    wanting.sort_by_key(lacks);
    for (served, at) in wanting.iter().enumerate() {
        let more = lacks(at).min(rest / (wanting.len() - served));
        widths[*at] = Some(wishes[*at].least + more);
        rest -= more;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(width: usize, spare: u8) -> Wish {
        text(width, width, spare)
    }

    fn text(most: usize, least: usize, spare: u8) -> Wish {
        Wish { most, least, spare }
    }

    #[test]
    fn all_are_shown_where_they_fit() {
        let wishes = [fixed(10, 0), text(30, 10, 0), fixed(6, 1)];
        assert_eq!(widths(&wishes, 50), [Some(10), Some(30), Some(6)]);
        assert_eq!(widths(&wishes, 40), [Some(10), Some(20), Some(6)]);
    }

    #[test]
    fn the_least_of_them_goes_first() {
        let wishes = [fixed(29, 0), fixed(10, 1), fixed(31, 3), fixed(8, 2)];
        assert_eq!(widths(&wishes, 84), wishes.map(|wish| Some(wish.most)));
        assert_eq!(widths(&wishes, 83), [Some(29), Some(10), None, Some(8)]);
        assert_eq!(widths(&wishes, 45), [Some(29), Some(10), None, None]);
        // What is never left out stays, though it does not fit.
        assert_eq!(widths(&wishes, 20), [Some(29), None, None, None]);
    }

    #[test]
    fn what_is_narrow_stays_where_something_wider_went() {
        let wishes = [fixed(20, 0), fixed(31, 1), fixed(5, 2)];
        assert_eq!(widths(&wishes, 40), [Some(20), None, Some(5)]);
    }

    #[test]
    fn what_is_left_is_shared() {
        let wishes = [text(12, 10, 0), text(90, 10, 0), text(90, 10, 0)];
        assert_eq!(widths(&wishes, 76), [Some(12), Some(30), Some(30)]);
    }
}
