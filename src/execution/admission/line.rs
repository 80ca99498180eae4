//! A line for each caller, served in turn: pure.

use std::collections::VecDeque;

use crate::execution::Caller;

/// What waits, by caller; who was served goes behind the others. A line that is empty is forgotten.
#[derive(Debug)]
pub(super) struct Lines<T> {
    lines: VecDeque<(Caller, VecDeque<(u64, T)>)>,
    tickets: u64,
}

impl<T> Lines<T> {
    pub fn new() -> Self {
        Self { lines: VecDeque::new(), tickets: 0 }
    }

    /// All that wait.
    pub fn len(&self) -> usize {
        self.lines.iter().map(|(_, line)| line.len()).sum()
    }

    /// How many of this caller's wait.
    pub fn of(&self, caller: &Caller) -> usize {
        self.lines.iter().find(|(owner, _)| owner == caller).map_or(0, |(_, line)| line.len())
    }

    /// To the end of the caller's line; the ticket by which it can leave again.
    pub fn push(&mut self, caller: &Caller, item: T) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        match self.lines.iter_mut().find(|(owner, _)| owner == caller) {
            Some((_, line)) => line.push_back((ticket, item)),
            None => self.lines.push_back((caller.clone(), VecDeque::from([(ticket, item)]))),
        }
        ticket
    }

    /// The first of the caller whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let (caller, mut line) = self.lines.pop_front()?;
        let (_, item) = line.pop_front()?;
        if !line.is_empty() {
            self.lines.push_back((caller, line));
        }
        Some(item)
    }

    /// Leaves the line.
    pub fn leave(&mut self, ticket: u64) {
        for (_, line) in &mut self.lines {
            line.retain(|(held, _)| *held != ticket);
        }
        self.lines.retain(|(_, line)| !line.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_served_in_turn_whoever_came_first() {
        let (a, b, c) = (Caller::named("a"), Caller::named("b"), Caller::named("c"));
        let mut lines = Lines::new();
        for n in 1..=4 {
            lines.push(&a, format!("a{n}"));
        }
        lines.push(&b, "b1".to_owned());
        lines.push(&b, "b2".to_owned());
        let withdrawn = lines.push(&c, "c1".to_owned());
        lines.push(&c, "c2".to_owned());
        lines.leave(withdrawn);
        assert_eq!((lines.len(), lines.of(&a), lines.of(&c)), (7, 4, 1));
        let served: Vec<String> = std::iter::from_fn(|| lines.pop()).collect();
        assert_eq!(served, ["a1", "b1", "c2", "a2", "b2", "a3", "a4"]);
        assert_eq!((lines.len(), lines.of(&a)), (0, 0));
    }

    #[test]
    fn a_ticket_of_somebody_served_is_worth_nothing() {
        let a = Caller::named("a");
        let mut lines = Lines::new();
        let ticket = lines.push(&a, 1);
        assert_eq!(lines.pop(), Some(1));
        lines.push(&a, 2);
        lines.leave(ticket);
        assert_eq!(lines.pop(), Some(2));
        assert_eq!(lines.pop(), None);
    }
}
