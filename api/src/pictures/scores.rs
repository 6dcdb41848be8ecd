//! Sums of PHQ-9 and GAD-7 over time, each on its severity bands, with the days of the doses.

use std::fmt::Write as _;

use bedside_protocol::instruments::InstrumentKey;
use bedside_protocol::time::{Instant, Zone};
use bedside_protocol::trends::ScoreSeries;
use plotters::prelude::{ChartBuilder, Circle, Color as _, LineSeries, RGBColor, Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};

use super::{Area, FAINT, INK, NotDrawn, empty_panel, heading_of, picture, text_style};

/// Bands from the lightest to the darkest; readable under black text, and in print.
const SHADES: [RGBColor; 5] = [
    RGBColor(250, 250, 250),
    RGBColor(240, 243, 247),
    RGBColor(228, 233, 241),
    RGBColor(213, 221, 233),
    RGBColor(196, 207, 223),
];

const DAY_S: f64 = 86_400.0;

/// One panel for each series. Days are those of `zone`.
pub fn of_scores(series: &[ScoreSeries], zone: Zone) -> Result<String, NotDrawn> {
    let names: Vec<&str> = series.iter().map(|series| name(series.instrument)).collect();
    let title = format!("{} over time", names.join(" and "));
    let description: String = series.iter().map(|series| in_words(series, zone)).collect();
    let times = series.iter().flat_map(|series| {
        series
            .points
            .iter()
            .map(|point| point.at)
            .chain(series.doses.iter().copied())
    });
    // One span for all panels: the same day stands above the same day.
    let span = (
        times.clone().min().unwrap_or_default(),
        times.max().unwrap_or_default(),
    );
    picture(
        &title,
        description.trim_end(),
        series.len(),
        |index, panel| match series.get(index) {
            Some(series) => draw(series, span, zone, panel),
            None => Ok(()),
        },
    )
}

fn name(instrument: InstrumentKey) -> &'static str {
    match instrument {
        InstrumentKey::Phq9 => "PHQ-9",
        InstrumentKey::Gad7 => "GAD-7",
        InstrumentKey::Safety => "Safety questions",
        InstrumentKey::SideEffects => "Side effects",
        InstrumentKey::Monthly => "Monthly questions",
    }
}

fn most(series: &ScoreSeries) -> u32 {
    series.bands.last().map_or(0, |band| band.to)
}

fn in_words(series: &ScoreSeries, zone: Zone) -> String {
    let mut words = format!("{}, from 0 to {}: ", name(series.instrument), most(series));
    if series.points.is_empty() {
        words.push_str("not answered yet. ");
        return words;
    }
    for (index, point) in series.points.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let (on, total, band) = (zone.date_of(point.at), point.total, point.band);
        let _ = write!(words, "{separator}{on} {total} ({band})");
    }
    words.push_str(". ");
    if !series.doses.is_empty() {
        let days: Vec<String> = series
            .doses
            .iter()
            .map(|dose| zone.date_of(*dose).to_string())
            .collect();
        let _ = write!(words, "Doses: {}. ", days.join(", "));
    }
    words
}

fn draw(
    series: &ScoreSeries,
    (first, last): (Instant, Instant),
    zone: Zone,
    panel: &Area<'_>,
) -> Result<(), NotDrawn> {
    let most = most(series);
    let heading = format!("{} (0 to {most})", name(series.instrument));
    if series.points.is_empty() {
        return empty_panel(panel, &heading, "Not answered yet.");
    }
    heading_of(panel, &heading)?;
    let day = |at: Instant| f64::from(i32::try_from((at - first).num_seconds()).unwrap_or(i32::MAX)) / DAY_S;
    let span = day(last).max(7.0);
    let (left, right) = (-span * 0.04, span * 1.04);
    let top = f64::from(most) + 1.5;
    let mut chart = ChartBuilder::on(panel)
        .margin_top(40)
        .margin_left(12)
        .margin_right(150)
        .margin_bottom(8)
        .x_label_area_size(28)
        .y_label_area_size(34)
        .build_cartesian_2d(left..right, 0.0..top)
        .map_err(NotDrawn::because)?;
    let bands = series.bands.iter().zip(SHADES).map(|(band, shade)| {
        let above = if band.to == most {
            top
        } else {
            f64::from(band.to) + 1.0
        };
        Rectangle::new([(left, f64::from(band.from)), (right, above)], shade.filled())
    });
    chart.draw_series(bands).map_err(NotDrawn::because)?;
    let date = |days: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "a span of days on an axis")]
        let at = first + chrono::Duration::seconds((days * DAY_S) as i64);
        zone.date_of(at).format("%b %-d").to_string()
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(8)
        .x_label_formatter(&|days| date(*days))
        .y_labels(6)
        .y_label_formatter(&|sum| format!("{sum:.0}"))
        .axis_style(FAINT)
        .label_style(text_style(13, FAINT, HPos::Center, VPos::Center))
        .draw()
        .map_err(NotDrawn::because)?;
    for dose in &series.doses {
        let line = [(day(*dose), 0.0), (day(*dose), top)];
        chart
            .draw_series(LineSeries::new(line, FAINT.mix(0.6).stroke_width(1)))
            .map_err(NotDrawn::because)?;
    }
    let points: Vec<(f64, f64)> = series
        .points
        .iter()
        .map(|it| (day(it.at), f64::from(it.total)))
        .collect();
    chart
        .draw_series(LineSeries::new(points.iter().copied(), INK.stroke_width(2)))
        .map_err(NotDrawn::because)?;
    chart
        .draw_series(points.iter().map(|point| Circle::new(*point, 4, INK.filled())))
        .map_err(NotDrawn::because)?;
    let number = text_style(13, INK, HPos::Center, VPos::Bottom);
    let numbers = series
        .points
        .iter()
        .zip(&points)
        .map(|(it, (x, y))| Text::new(it.total.to_string(), (*x, *y + 0.9), number.clone()));
    chart.draw_series(numbers).map_err(NotDrawn::because)?;
    let beside = text_style(13, FAINT, HPos::Left, VPos::Center);
    for band in series.bands {
        let middle = f64::midpoint(f64::from(band.from), f64::from(band.to) + 1.0);
        let (x, y) = chart.backend_coord(&(right, middle));
        let origin = panel.get_base_pixel();
        panel
            .draw_text(band.name, &beside, (x - origin.0 + 8, y - origin.1))
            .map_err(NotDrawn::because)?;
    }
    if !series.doses.is_empty() {
        let style = text_style(13, FAINT, HPos::Right, VPos::Top);
        let (width, _) = panel.dim_in_pixel();
        let place = (i32::try_from(width).unwrap_or(0) - 150, 14);
        panel
            .draw_text("upright lines: doses", &style, place)
            .map_err(NotDrawn::because)?;
    }
    Ok(())
}
