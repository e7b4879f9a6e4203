//! Which language the caller speaks: by the script, and by the words that each language uses most.
//! In any other than English the rules abstain, but for what needs no grammar.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::call::{Call, Note, Notes};
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::words;

/// Words of the caller's that are looked at: a call's language shows early.
const LOOKED_AT: usize = 1_500;

/// Known words after which a language is told.
const ENOUGH: u32 = 3;

/// Known words after which English, which is expected, is worth telling.
const ENOUGH_ENGLISH: u32 = 20;

/// Letters of a script of its own after which a language is told.
const ENOUGH_LETTERS: u32 = 6;

/// The commonest words of each language, without those that another of them shares.
const COMMONEST: [(&str, &str); 9] = [
    (
        "English",
        "the and you that this with have my is are was for what not i'm i it's don't can't to of your \
         would could please yes hello thanks thank need want calling about they we from just like know",
    ),
    (
        "Spanish",
        "hola gracias por favor necesito quiero quisiera mi cita tengo estoy llamo llamando usted muy \
         buenos buenas días tardes pero para cuando qué cómo sí una los las está mañana número nombre \
         es yo le puede puedo hacer también ayuda señor señora cuenta",
    ),
    (
        "French",
        "bonjour merci je suis vous plaît voudrais mon ma mes est avec pour c'est j'ai j'aimerais nous \
         oui dans une les des pas très rendez-vous numéro m'appelle appelle bonsoir monsieur madame \
         peux pouvez aussi mais être avoir",
    ),
    (
        "German",
        "guten tag hallo ich bin sie bitte danke möchte meine mein ist und nicht ein eine der das mit \
         für auf habe haben heiße termin nummer ja nein wir können kann auch aber wann morgen rufe",
    ),
    (
        "Italian",
        "buongiorno buonasera grazie vorrei sono mio mia per favore ho il della che non è con una \
         appuntamento numero chiamo mi si sì perché anche quando posso può signora buona",
    ),
    (
        "Portuguese",
        "olá bom dia boa tarde obrigado obrigada eu meu minha preciso quero gostaria você não sim uma \
         com para está estou número nome chamo é também mas quando posso ligar ajuda senhor",
    ),
    (
        "Dutch",
        "goedemorgen goedemiddag hallo ik ben mijn een het niet met van voor wil graag afspraak alstublieft \
         dank bedankt u wij heb hebben kan kunt ook maar wanneer naam nummer nee",
    ),
    (
        "Polish",
        "dzień dobry dziękuję proszę chciałbym chciałabym mam na imię nie tak jest mój moja się do w z że \
         jak kiedy numer wizytę potrzebuję",
    ),
    (
        "Turkish",
        "merhaba teşekkürler teşekkür ederim lütfen benim bir ve bu için var yok istiyorum randevu adım \
         numaram evet hayır günaydın nasıl ne zaman",
    ),
];

static KNOWN: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut known: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (at, (_, words)) in COMMONEST.iter().enumerate() {
        for word in words.split_whitespace() {
            known.entry(word).or_default().push(at);
        }
    }
    known
});

/// A language that its script tells.
fn of_script(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\u{0400}'..='\u{052F}' => "Russian",
        '\u{0370}'..='\u{03FF}' => "Greek",
        '\u{0590}'..='\u{05FF}' => "Hebrew",
        '\u{0600}'..='\u{06FF}' => "Arabic",
        '\u{0900}'..='\u{097F}' => "Hindi",
        '\u{0E00}'..='\u{0E7F}' => "Thai",
        '\u{3040}'..='\u{30FF}' => "Japanese",
        '\u{AC00}'..='\u{D7AF}' => "Korean",
        '\u{4E00}'..='\u{9FFF}' => "Chinese",
        _ => return None,
    })
}

/// "I only speak Portuguese."
static SPEAKS: LazyLock<Regex> = pattern!(
    r"\b(?:i|we) (?:only |just |mostly )?speak (spanish|french|german|italian|portuguese|mandarin|cantonese|chinese|japanese|korean|arabic|hindi|russian|polish|dutch|turkish|vietnamese|tagalog)\b"
);

/// How much speaks for a language, and where it shows first.
#[derive(Clone, Debug, Default)]
struct Tally {
    hits: u32,
    first: Option<(usize, Range<usize>)>,
}

impl Tally {
    fn add(&mut self, at: usize, place: Range<usize>) {
        self.hits += 1;
        self.first.get_or_insert((at, place));
    }
}

/// Notes the language that the caller speaks, where enough words tell. Whether it is another than
/// English.
pub(super) fn find(call: &Call<'_>, notes: &mut Notes) -> bool {
    let mut latin = vec![Tally::default(); COMMONEST.len()];
    let mut scripts: HashMap<&'static str, Tally> = HashMap::new();
    let spoken = call
        .callers()
        .flat_map(|(at, turn)| words(turn.text).into_iter().map(move |word| (at, word)))
        .take(LOOKED_AT);
    for (at, word) in spoken {
        if let Some(script) = word.text.chars().find_map(of_script) {
            let tally = scripts.entry(script).or_default();
            tally.add(at, word.place.clone());
            let letters = u32::try_from(word.text.chars().count()).unwrap_or(u32::MAX);
            tally.hits = tally.hits.saturating_add(letters - 1);
        } else if let Some(languages) = KNOWN.get(lower(word.text).as_ref()) {
            for language in languages {
                latin[*language].add(at, word.place.clone());
            }
        }
    }
    let english = latin[0].hits;
    let script = told_by_script(scripts);
    let best = latin
        .iter()
        .enumerate()
        .skip(1)
        .max_by_key(|(at, tally)| (tally.hits, usize::MAX - at));
    let other = script
        .filter(|(_, tally)| tally.hits >= ENOUGH_LETTERS && tally.hits > 5 * english)
        .or_else(|| {
            let (at, tally) = best?;
            (tally.hits >= ENOUGH && tally.hits > 2 * english)
                .then(|| (COMMONEST[at].0, tally.clone()))
        });
    let foreign = other.is_some();
    if other.is_none() && said(call, notes) {
        return false;
    }
    let told =
        other.or_else(|| (english >= ENOUGH_ENGLISH).then(|| (COMMONEST[0].0, latin[0].clone())));
    if let Some((
        language,
        Tally {
            first: Some((at, place)),
            ..
        },
    )) = told
    {
        notes.push(Note::new(Slot::LanguageSpoken, language, at, place, 0.8));
    }
    foreign
}

fn lower(word: &str) -> Cow<'_, str> {
    if word
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'\'')
    {
        return Cow::Borrowed(word);
    }
    Cow::Owned(word.to_lowercase().replace('’', "'"))
}

/// What the caller says of it in English.
fn said(call: &Call<'_>, notes: &mut Notes) -> bool {
    let hit = call.callers().find_map(|(at, turn)| {
        let hit = SPEAKS.captures(turn.text)?;
        let (whole, language) = (hit.get(0)?.range(), hit.get(1)?.as_str());
        let known = language.to_lowercase();
        let (first, rest) = known.split_at(1);
        Some((at, whole, format!("{}{rest}", first.to_uppercase())))
    });
    let Some((at, place, language)) = hit else {
        return false;
    };
    notes.push(Note::new(Slot::LanguageSpoken, language, at, place, 0.85));
    true
}

/// Japanese is written with Chinese characters too: its own ones tell.
fn told_by_script(mut scripts: HashMap<&'static str, Tally>) -> Option<(&'static str, Tally)> {
    if let Some(japanese) = scripts.remove("Japanese") {
        return Some(("Japanese", japanese));
    }
    scripts
        .into_iter()
        .max_by_key(|(language, tally)| (tally.hits, *language))
}
