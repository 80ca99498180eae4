//! What `benches/` says of what it has measured: the pure parts, which judge and write.

#[allow(dead_code)]
#[path = "../benches/figures/pages.rs"]
mod pages;
#[path = "../benches/figures/picture.rs"]
mod picture;
#[allow(dead_code)]
#[path = "../benches/figures/row.rs"]
mod row;
#[allow(dead_code)]
#[path = "../benches/figures/samples.rs"]
mod samples;
#[path = "../benches/figures/table.rs"]
mod table;

use row::{Bar, Row};
use samples::{Samples, number};

fn of(values: &[f64]) -> Samples {
    values.iter().copied().collect()
}

#[test]
fn a_quantile_is_one_of_the_samples() {
    let hundred: Samples = (1..=100).rev().map(f64::from).collect();
    assert_eq!([0.5, 0.95, 0.99, 1.0].map(|share| hundred.quantile(share)), [50.0, 95.0, 99.0, 100.0]);
    assert_eq!((hundred.first(), hundred.last(), hundred.greatest()), (100.0, 1.0, 100.0));
    assert!(of(&[]).median().is_nan());
}

#[test]
fn numbers_have_three_digits_that_mean_something() {
    assert_eq!(
        [0.0, 0.00004, 0.0714, 1.2345, 12.345, 1234.5, f64::NAN].map(number),
        ["0", "0.00004", "0.071", "1.23", "12.3", "1234", "-"]
    );
}

#[test]
fn each_bar_is_held_up_to_its_number_and_missed_beyond() {
    let reference = of(&[10.0]);
    let cases = [
        (Bar::Times(2.0), 20.0, 20.1),
        (Bar::Added(2.0), 12.0, 12.1),
        (Bar::Line { times: 2.0, plus: 1.0 }, 21.0, 21.1),
        (Bar::Below, 9.9, 10.0),
        (Bar::Share(0.6), 6.0, 5.9),
        (Bar::Most(5.0), 5.0, 5.1),
        (Bar::Least(5.0), 5.0, 4.9),
    ];
    for (bar, held, missed) in cases {
        assert!(bar.holds(&of(&[held]), Some(&reference)), "{bar:?}");
        assert!(!bar.holds(&of(&[missed]), Some(&reference)), "{bar:?}");
    }
}

#[test]
fn a_tail_and_a_growth_are_judged_by_the_figure_itself() {
    let with = |last: f64| (0..97).map(|_| 1.0).chain([last; 3]).collect::<Samples>();
    assert!(Bar::Tail(8.0).holds(&with(8.0), None));
    assert!(!Bar::Tail(8.0).holds(&with(8.1), None));
    let flat = Bar::Flat { times: 1.1, plus: 1.0 };
    assert!(flat.holds(&of(&[10.0, 90.0, 12.0]), None), "what comes back down is no leak");
    assert!(!flat.holds(&of(&[10.0, 12.1]), None));
}

#[test]
fn a_tail_is_judged_beside_the_other_tail() {
    let with = |last: f64| (0..97).map(|_| 1.0).chain([last; 3]).collect::<Samples>();
    assert!(Bar::AddedTail(1.0).holds(&with(4.0), Some(&with(3.0))));
    assert!(!Bar::AddedTail(1.0).holds(&with(4.1), Some(&with(3.0))));
    assert!(!Bar::AddedTail(1.0).holds(&with(4.0), None));
}

#[test]
fn what_was_not_measured_holds_nothing() {
    for bar in [Bar::Most(1.0), Bar::Least(1.0), Bar::Tail(1.0), Bar::Flat { times: 1.0, plus: 1.0 }] {
        assert!(!bar.holds(&of(&[]), None), "{bar:?}");
    }
    assert!(!Bar::Times(1.0).holds(&of(&[1.0]), None));
    assert!(Row::new("run", "ms", of(&[1.0])).against("nothing", &of(&[]), Bar::Below).beside.is_empty());
}

fn rows() -> Vec<Row> {
    let run = Row::new("a run", "ms", of(&[1.0, 2.0, 3.0]))
        .bar(Bar::Tail(8.0))
        .beside("`python3 -c`", &of(&[10.0]))
        .against("an <engine>", &of(&[300.0]), Bar::Times(0.001))
        .chief(true);
    vec![run, Row::new("memory", "MB", of(&[12.0])).bar(Bar::Most(20.0))]
}

#[test]
fn the_table_has_a_line_for_each_figure_and_each_reference() {
    let text = table::whole(&rows());
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "| **a run** (ms) | 3 | 2.00 | 3.00 | 3.00 | | | p99 ≤ 8 × p50: held |",
            "| — `python3 -c` | 1 | 10.0 | 10.0 | 10.0 | 0.200 | -8.00 |  |",
            "| — an <engine> | 1 | 300 | 300 | 300 | 1/150 | -298 | ≤ 1/1000 of it: **missed** |",
            "| **memory** (MB) | 1 | 12.0 | 12.0 | 12.0 | | | ≤ 20.0 MB: held |",
        ]
    );
    let (all, missed) = table::missed(&rows());
    assert_eq!((all, missed.len()), (3, 1));
    assert!(missed[0].starts_with("a run, beside an <engine>: "), "{missed:?}");
}

#[test]
fn the_short_table_has_the_chief_rows() {
    let text = table::short(&rows());
    assert!(text.contains("| a run (ms) | 2.00 (3.00) | `python3 -c` 10.0; an <engine> 300 |"), "{text}");
    assert!(!text.contains("memory"));
}

#[test]
fn a_longer_time_is_a_longer_bar() {
    let svg = picture::svg(&rows()).expect("a picture");
    let widths: Vec<f64> = svg
        .split("<rect x=")
        .skip(1)
        .filter_map(|rest| rest.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
        .collect();
    assert_eq!(widths.len(), 3);
    assert!(widths[0] < widths[1] && widths[1] < widths[2], "{widths:?}");
    assert!(svg.contains("an &lt;engine&gt;") && !svg.contains('`'));
    assert!(picture::svg(&[]).is_none());
}

#[test]
fn only_what_lies_between_the_marks_is_replaced() {
    let page = "before <!-- a -->old<!-- /a --> after";
    let new = pages::between(page, "<!-- a -->", "<!-- /a -->", "new\n");
    assert_eq!(new.as_deref(), Some("before <!-- a -->\nnew\n<!-- /a --> after"));
    assert_eq!(pages::between("<!-- /a --> <!-- a -->", "<!-- a -->", "<!-- /a -->", "new"), None);
}
