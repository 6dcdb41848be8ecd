//! A session's blood pressure and pulse by minutes since the dose, with the limits they were judged by.

use std::fmt::Write as _;

use bedside_protocol::trends::{Limit, Measure, Side, VitalsPoint, VitalsSeries};
use bedside_protocol::vitals::Phase;
use plotters::prelude::{
    ChartBuilder, Circle, Color as _, DashedLineSeries, LineSeries, RGBColor, Text, TriangleMarker,
};
use plotters::style::text_anchor::{HPos, VPos};

use super::{Area, FAINT, INK, NotDrawn, SECOND_INK, empty_panel, heading_of, picture, text_style};

/// Pressures in one panel, pulse in the next, oxygen in a third where it was measured.
pub fn of_vitals(series: &VitalsSeries) -> Result<String, NotDrawn> {
    let mut panels = vec![Panel::PRESSURE, Panel::PULSE];
    if series.points.iter().any(|point| point.vitals.spo2.is_some()) {
        panels.push(Panel::OXYGEN);
    }
    let title = "Blood pressure and pulse of one session";
    picture(
        title,
        &in_words(series),
        panels.len(),
        |index, panel| match panels.get(index) {
            Some(which) => draw(series, which, panel),
            None => Ok(()),
        },
    )
}

struct Panel {
    heading: &'static str,
    measures: &'static [(Measure, RGBColor)],
    /// What the axis shows at least.
    range: (u32, u32),
    /// Room above and below what is shown.
    room: f64,
}

impl Panel {
    const PRESSURE: Self = Self {
        heading: "Blood pressure, mmHg (\u{25cf} systolic, \u{25b2} diastolic)",
        measures: &[(Measure::Sbp, INK), (Measure::Dbp, SECOND_INK)],
        range: (50, 210),
        room: 5.0,
    };
    const PULSE: Self = Self {
        heading: "Pulse, beats a minute",
        measures: &[(Measure::Hr, INK)],
        range: (40, 130),
        room: 5.0,
    };
    const OXYGEN: Self = Self {
        heading: "Oxygen, percent",
        measures: &[(Measure::Spo2, INK)],
        range: (85, 100),
        room: 1.0,
    };
}

fn value(point: &VitalsPoint, measure: Measure) -> Option<u32> {
    match measure {
        Measure::Sbp => Some(point.vitals.sbp),
        Measure::Dbp => Some(point.vitals.dbp),
        Measure::Hr => Some(point.vitals.hr),
        Measure::Spo2 => point.vitals.spo2,
    }
}

fn in_words(series: &VitalsSeries) -> String {
    if series.points.is_empty() {
        return "Nothing was measured.".to_owned();
    }
    let zero = if series.dosed {
        "the dose"
    } else {
        "the planned time"
    };
    let mut words = format!("Minutes since {zero}, pressure in mmHg, pulse in beats a minute: ");
    for (index, point) in series.points.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let vitals = &point.vitals;
        let _ = write!(
            words,
            "{separator}{}: {}/{}, pulse {}",
            point.minute, vitals.sbp, vitals.dbp, vitals.hr
        );
        if let Some(spo2) = vitals.spo2 {
            let _ = write!(words, ", oxygen {spo2} percent");
        }
        if point.with_symptom {
            words.push_str(", with a symptom");
        }
    }
    words.push_str(". Limits");
    for phase in [Phase::BeforeDose, Phase::InSession] {
        let limits = series.limits.iter().filter(|limit| limit.phase == phase);
        let limits: Vec<String> = limits
            .map(|limit| format!("{} {}", measure_text(limit.measure), limit_text(limit)))
            .collect();
        let when = if phase == Phase::BeforeDose {
            "before the dose"
        } else {
            "after it"
        };
        let _ = write!(words, " {when}: {}.", limits.join(", "));
    }
    words
}

fn draw(series: &VitalsSeries, which: &Panel, panel: &Area<'_>) -> Result<(), NotDrawn> {
    let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else {
        return empty_panel(panel, which.heading, "Nothing was measured.");
    };
    heading_of(panel, which.heading)?;
    let minute = |minute: i64| f64::from(i32::try_from(minute).unwrap_or(i32::MAX));
    let (left, right) = (
        minute(first.minute).min(-20.0) - 5.0,
        minute(last.minute).max(120.0) + 5.0,
    );
    let values = series
        .points
        .iter()
        .flat_map(|point| which.measures.iter().filter_map(|it| value(point, it.0)));
    let bottom = f64::from(values.clone().chain([which.range.0]).min().unwrap_or(0)) - which.room;
    let top = f64::from(values.chain([which.range.1]).max().unwrap_or(0)) + which.room;
    let mut chart = ChartBuilder::on(panel)
        .margin_top(40)
        .margin_left(12)
        .margin_right(150)
        .margin_bottom(8)
        .x_label_area_size(44)
        .y_label_area_size(40)
        .build_cartesian_2d(left..right, bottom..top)
        .map_err(NotDrawn::because)?;
    let zero = if series.dosed {
        "minutes since the dose"
    } else {
        "minutes since the planned time"
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc(zero)
        .x_labels(10)
        .x_label_formatter(&|minute| format!("{minute:.0}"))
        .y_labels(7)
        .y_label_formatter(&|value| format!("{value:.0}"))
        .axis_style(FAINT)
        .label_style(text_style(13, FAINT, HPos::Center, VPos::Center))
        .axis_desc_style(text_style(13, FAINT, HPos::Center, VPos::Center))
        .draw()
        .map_err(NotDrawn::because)?;
    chart
        .draw_series(LineSeries::new(
            [(0.0, bottom), (0.0, top)],
            FAINT.stroke_width(1),
        ))
        .map_err(NotDrawn::because)?;
    let of_panel = |limit: &&Limit| which.measures.iter().any(|it| it.0 == limit.measure);
    let small = text_style(11, FAINT, HPos::Left, VPos::Center);
    let origin = panel.get_base_pixel();
    for limit in series.limits.iter().filter(of_panel) {
        let before = limit.phase == Phase::BeforeDose;
        let (from, to) = if before { (left, 0.0) } else { (0.0, right) };
        let y = f64::from(limit.value);
        let color = which
            .measures
            .iter()
            .find(|it| it.0 == limit.measure)
            .map_or(FAINT, |it| it.1);
        chart
            .draw_series(DashedLineSeries::new(
                [(from, y), (to, y)],
                8,
                6,
                color.mix(0.7).stroke_width(1),
            ))
            .map_err(NotDrawn::because)?;
        if !before {
            let (x, y) = chart.backend_coord(&(right, y));
            panel
                .draw_text(&limit_text(limit), &small, (x - origin.0 + 6, y - origin.1))
                .map_err(NotDrawn::because)?;
        }
    }
    let limits = series.limits.iter().filter(of_panel);
    let before: Vec<String> = limits
        .filter(|limit| limit.phase == Phase::BeforeDose)
        .map(|limit| format!("{} {}", measure_text(limit.measure), limit_text(limit)))
        .collect();
    if !before.is_empty() {
        let words = format!("Dashed: limits. Before the dose: {}.", before.join(", "));
        let style = text_style(12, FAINT, HPos::Right, VPos::Top);
        let (width, _) = panel.dim_in_pixel();
        let place = (i32::try_from(width).unwrap_or(0) - 20, 14);
        panel
            .draw_text(&words, &style, place)
            .map_err(NotDrawn::because)?;
    }
    for (measure, color) in which.measures {
        let points: Vec<(f64, f64)> = series
            .points
            .iter()
            .filter_map(|point| Some((minute(point.minute), f64::from(value(point, *measure)?))))
            .collect();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))
            .map_err(NotDrawn::because)?;
        let marks = points.iter().copied();
        if *measure == Measure::Dbp {
            chart
                .draw_series(marks.map(|at| TriangleMarker::new(at, 6, color.filled())))
                .map_err(NotDrawn::because)?;
        } else {
            chart
                .draw_series(marks.map(|at| Circle::new(at, 4, color.filled())))
                .map_err(NotDrawn::because)?;
        }
        let number = text_style(12, *color, HPos::Center, VPos::Bottom);
        let lift = (top - bottom) * 0.03;
        let numbers = points
            .iter()
            .map(|(x, y)| Text::new(format!("{y:.0}"), (*x, y + lift), number.clone()));
        chart.draw_series(numbers).map_err(NotDrawn::because)?;
    }
    Ok(())
}

fn limit_text(limit: &Limit) -> String {
    match limit.crossed {
        Side::Above => format!("over {}", limit.value),
        Side::AtOrAbove => format!("{} or over", limit.value),
        Side::Below => format!("under {}", limit.value),
    }
}

fn measure_text(measure: Measure) -> &'static str {
    match measure {
        Measure::Sbp => "systolic",
        Measure::Dbp => "diastolic",
        Measure::Hr => "pulse",
        Measure::Spo2 => "oxygen",
    }
}
