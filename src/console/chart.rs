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

/// Bars, and their scale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
    /// What the highest bar stands for, which fills the chart.
    pub(super) most: i64,
}

/// Bars from left to right.
pub(super) fn chart(values: &[(i64, String)]) -> Chart {
    let places = i64::try_from(values.len()).unwrap_or(i64::MAX).max(1);
    let step = WIDTH / places;
    let most = values.iter().map(|(value, _)| *value).max().unwrap_or(0);
    let bars = (0..)
        .zip(values)
        .map(|(place, (value, told))| {
            // Whatever there is can be seen.
            let least = i64::from(*value > 0) * 3;
            let height = (value * HEIGHT / most.max(1)).max(least);
            Bar {
                x: place * step,
                y: HEIGHT - height,
                width: (step * 4 / 5).max(1),
                height,
                told: told.clone(),
            }
        })
        .collect();
    Chart { bars, most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_the_chart_and_show_the_least() {
        let values: Vec<_> = [0, 1, 1_000].map(|n| (n, n.to_string())).into();
        let Chart { bars, most } = chart(&values);
        assert_eq!(most, 1_000);
        let heights: Vec<_> = bars.iter().map(|bar| bar.height).collect();
        assert_eq!(heights, [0, 3, 100]);
        assert!(
            bars.iter()
                .all(|bar| bar.x + bar.width <= WIDTH && bar.y >= 0)
        );
        assert_eq!(chart(&[]), Chart::default());
    }
}
