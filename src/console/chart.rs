//! Charts as inline SVG: bars, laid out here and drawn by the templates, without a script.

/// Drawing units: the SVG is stretched to the place it has.
const WIDTH: i64 = 600;
const HEIGHT: i64 = 100;

/// One bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) width: i64,
    pub(super) height: i64,
    /// What it stands for, when pointed at.
    pub(super) told: String,
}

/// Bars from left to right; the highest fills the chart.
pub(super) fn bars(values: &[(i64, String)]) -> Vec<Bar> {
    let places = i64::try_from(values.len()).unwrap_or(i64::MAX).max(1);
    let step = WIDTH / places;
    let highest = values
        .iter()
        .map(|(value, _)| *value)
        .max()
        .unwrap_or(0)
        .max(1);
    (0..)
        .zip(values)
        .map(|(place, (value, told))| {
            // Whatever there is can be seen.
            let least = i64::from(*value > 0) * 3;
            let height = (value * HEIGHT / highest).max(least);
            Bar {
                x: place * step,
                y: HEIGHT - height,
                width: (step * 4 / 5).max(1),
                height,
                told: told.clone(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_the_chart_and_show_the_least() {
        let values: Vec<_> = [0, 1, 1_000].map(|n| (n, n.to_string())).into();
        let drawn = bars(&values);
        let heights: Vec<_> = drawn.iter().map(|bar| bar.height).collect();
        assert_eq!(heights, [0, 3, 100]);
        assert!(
            drawn
                .iter()
                .all(|bar| bar.x + bar.width <= WIDTH && bar.y >= 0)
        );
        assert!(bars(&[]).is_empty());
    }
}
