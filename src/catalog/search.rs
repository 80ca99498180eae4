//! Ranked search over the tools of many servers: BM25 with weighted fields, other words for the same thing, and slips of
//! the hand forgiven.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::server_catalog::{Detail, ServerCatalog};
use super::tool::CompiledTool;
use super::words::{synonyms, words};
use crate::nearest::distance;

/// How much a word counts, by where it stands. A name says what a tool is; a parameter only hints at it.
const NAME: f32 = 4.0;
const TITLE: f32 = 2.0;
const DESCRIPTION: f32 = 1.0;
const SERVER: f32 = 1.0;
const PARAMETER: f32 = 0.5;

/// The usual constants of BM25: how soon repetition stops to count, and how much long texts are held back.
const SATURATION: f32 = 1.2;
const LENGTH_SHARE: f32 = 0.6;

/// What a hit on another word for the one asked is worth.
const SYNONYM_SHARE: f32 = 0.4;
/// What a hit on a word that begins with the one asked, or is a slip away from it, is worth. Only tried for unknown words.
const NEAR_SHARE: f32 = 0.5;

/// Characters of a description that are searched: what a tool is for stands at the beginning.
const SEARCHED: usize = 2_000;

/// Words of a query that are looked at; nobody types more, and a program might paste a file.
const MAX_WORDS: usize = 24;

/// An index over the tools of the servers given. Over 10,000 tools, building takes most of a second (keep it,
/// and build it where that blocks nobody); a search, a few ms.
pub struct ToolIndex {
    entries: Vec<Entry>,
    /// Which tools have a word, and with what weight.
    postings: HashMap<String, Vec<(usize, f32)>>,
    /// What length makes of a tool's weights: the divisor's constant part.
    damping: Vec<f32>,
}

struct Entry {
    server: Arc<ServerCatalog>,
    tool: Arc<CompiledTool>,
}

impl Entry {
    /// What orders equal scores.
    fn names(&self) -> (&str, &str) {
        (&self.server.name, &self.tool.definition.name)
    }
}

impl ToolIndex {
    pub fn new(servers: &[Arc<ServerCatalog>]) -> Self {
        let mut entries = Vec::new();
        let mut postings: HashMap<String, Vec<(usize, f32)>> = HashMap::new();
        let mut lengths = Vec::new();
        for server in servers {
            let about_server = words(&server.name);
            for tool in server.tools() {
                let mut weights: HashMap<String, f32> = HashMap::new();
                let mut length = 0.0;
                for (word, weight) in fields(tool).chain(about_server.iter().map(|word| (word.clone(), SERVER))) {
                    *weights.entry(word).or_default() += weight;
                    length += weight;
                }
                for (word, weight) in weights {
                    postings.entry(word).or_default().push((entries.len(), weight));
                }
                lengths.push(length);
                entries.push(Entry { server: Arc::clone(server), tool: Arc::clone(tool) });
            }
        }
        let average = (lengths.iter().sum::<f32>() / lengths.len().max(1) as f32).max(1.0);
        let damping =
            lengths.iter().map(|length| SATURATION * (1.0 - LENGTH_SHARE + LENGTH_SHARE * length / average)).collect();
        Self { entries, postings, damping }
    }

    /// The best tools for a query, best first: docs in the size asked for, each with `server` and `score`. With `server` (a
    /// name or alias), only that server's tools. Equal scores are ordered by server and name, so answers repeat.
    pub fn search(&self, query: &str, limit: usize, detail: Detail, server: Option<&str>) -> Vec<Value> {
        let scores = self.scores(query);
        let wanted =
            |entry: &Entry| server.is_none_or(|asked| asked == entry.server.name || asked == entry.server.alias);
        let mut hits: Vec<(f32, &Entry)> =
            scores.into_iter().zip(&self.entries).filter(|(score, entry)| *score > 0.0 && wanted(entry)).collect();
        let better = |(a, left): &(f32, &Entry), (b, right): &(f32, &Entry)| {
            b.total_cmp(a).then_with(|| left.names().cmp(&right.names()))
        };
        if limit < hits.len() {
            hits.select_nth_unstable_by(limit, better);
            hits.truncate(limit);
        }
        hits.sort_by(better);
        hits.into_iter()
            .map(|(score, entry)| {
                let score = (f64::from(score) * 100.0).round() / 100.0;
                let mut doc = json!({"server": entry.server.name, "score": score});
                if let Value::Object(doc) = &mut doc {
                    doc.extend(detail.doc(&entry.tool));
                }
                doc
            })
            .collect()
    }

    /// One score a tool; 0 where nothing matches.
    fn scores(&self, query: &str) -> Vec<f32> {
        let mut asked: Vec<String> = Vec::new();
        for word in words(query).into_iter().take(MAX_WORDS) {
            if !asked.contains(&word) {
                asked.push(word);
            }
        }
        let mut total = vec![0.0; self.entries.len()];
        let mut matched = vec![0u16; self.entries.len()];
        for word in &asked {
            for (tool, score) in self.scores_of(word).into_iter().enumerate().filter(|(_, score)| *score > 0.0) {
                total[tool] += score;
                matched[tool] += 1;
            }
        }
        // A tool that has all the words beats one that repeats a rare one.
        let share = |matched: u16| 0.4 + 0.6 * f32::from(matched) / asked.len().max(1) as f32;
        let exact = query.trim();
        total
            .into_iter()
            .zip(matched)
            .zip(&self.entries)
            .map(|((score, matched), Entry { tool, .. })| {
                let named = tool.alias == exact || tool.definition.name == exact;
                score * share(matched) * if named { 2.0 } else { 1.0 }
            })
            .collect()
    }

    /// How well each tool matches one word, by its best way of doing so.
    fn scores_of(&self, word: &str) -> Vec<f32> {
        let mut best: Vec<f32> = vec![0.0; self.entries.len()];
        for (term, share) in self.expansions(word) {
            let Some(postings) = self.postings.get(&term) else { continue };
            let (all, having) = (self.entries.len() as f32, postings.len() as f32);
            let rarity = (1.0 + (all - having + 0.5) / (having + 0.5)).ln();
            for (tool, weight) in postings {
                let score = share * rarity * weight * (SATURATION + 1.0) / (weight + self.damping[*tool]);
                best[*tool] = best[*tool].max(score);
            }
        }
        best
    }

    fn expansions(&self, word: &str) -> Vec<(String, f32)> {
        let mut terms = vec![(word.to_owned(), 1.0)];
        terms.extend(synonyms(word).into_iter().map(|term| (term, SYNONYM_SHARE)));
        if !self.postings.contains_key(word) {
            let letters: Vec<char> = word.chars().take(40).collect();
            // In three letters every slip is another word.
            let slips = if letters.len() < 4 { 0 } else { 1 + letters.len() / 8 };
            let near = |term: &&String| {
                (letters.len() >= 3 && term.starts_with(word))
                    || (slips > 0
                        && term.len().abs_diff(word.len()) <= 4 * slips
                        && distance(&letters, &term.chars().collect::<Vec<_>>(), slips).is_some())
            };
            terms.extend(self.postings.keys().filter(near).map(|term| (term.clone(), NEAR_SHARE)));
        }
        terms
    }
}

/// The words of a tool with their weights.
fn fields(tool: &CompiledTool) -> impl Iterator<Item = (String, f32)> {
    let definition = &tool.definition;
    let description: String = definition.description.iter().flat_map(|text| text.chars()).take(SEARCHED).collect();
    let weighed = |text: &str, weight: f32| words(text).into_iter().map(move |word| (word, weight));
    let parameters: Vec<_> = tool.parameters.iter().flat_map(|p| weighed(&p.name, PARAMETER)).collect();
    weighed(&definition.name, NAME)
        .chain(weighed(definition.title.as_deref().unwrap_or_default(), TITLE))
        .chain(weighed(&description, DESCRIPTION))
        .chain(parameters)
}
