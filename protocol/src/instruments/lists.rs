//! The clinic's own lists: side effects, and the monthly one about bladder and craving (PROTOCOL 3.4). What each answer
//! means stands beside its question in the protocol document.

use super::Answers;
use crate::case::Level;
use crate::document::{Advice, OwnList, Tell};

/// What a set of answers calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The most urgent level.
    pub level: Level,
    /// The items that call for it or for something less urgent, in the list's order.
    pub items: Vec<String>,
    /// What the screen says at once: a red flag.
    pub advice: Option<Advice>,
}

/// Which answers the care team hears of, if any.
pub fn judge(list: &OwnList, answers: &Answers) -> Option<Telling> {
    let said: Vec<(&str, Tell)> = list
        .items
        .iter()
        .filter_map(|item| {
            let answer = answers.get(&item.key)?.number();
            let tells = item.tell.iter().filter(|tell| tell.from <= answer);
            Some((item.key.as_str(), *tells.max_by_key(|tell| tell.level)?))
        })
        .collect();
    let worst = said.iter().map(|(_, tell)| tell.level).max()?;
    Some(Telling {
        level: worst,
        items: said.iter().map(|(key, _)| (*key).to_owned()).collect(),
        advice: said.iter().find_map(|(_, tell)| tell.advice),
    })
}
