//! What the caller forbids. A revocation counts "in any reasonable manner" (47 CFR 64.1200(a)(10)),
//! so these patterns are wide; what narrows them is only what makes the words mean another thing.

use std::sync::LazyLock;

use regex::Regex;

use super::call::{Call, Note, Notes, lead, tail};
use super::vocabulary::is_common;
use crate::memory::observation::Op;
use crate::memory::pattern::pattern;
use crate::memory::slot::Slot;
use crate::memory::spoken::words;

static STOP: LazyLock<Regex> = pattern!(
    r"\b(?:(?:stop|quit) (?:calling|phoning|ringing|dialing|dialling|contacting|bothering|harassing)(?: (?:me|us|my \w+|this number|this house|here))?",
    r"|(?:do not|don't|dont|never|not to) (?:ever |please )?(?:call|phone|ring|dial|contact|bother) (?:me|us|my \w+|this number|this house|here)(?: (?:ever )?again| any ?more| back)?",
    r"|(?:do not|don't|dont|never) (?:ever )?call (?:ever )?(?:again|any ?more)",
    r"|take (?:me|us|my (?:name|number|phone|phone number)|this number) off",
    r"|(?:remove|delete|erase|drop) (?:me|us|my (?:name|number|phone|phone number|contact|info|information)|this number|my number and name)(?: \w+)? (?:from|off)",
    r"|off (?:of )?(?:your|the|this|that) (?:\w+ ){0,3}list",
    r"|(?:remove|delete|lose|erase) (?:my|this) (?:phone )?number",
    r"|do[- ]not[- ]call (?:list|registry|register)",
    r"|(?:put|add|place) (?:me|us|my number) (?:on|to) (?:your|the|a) (?:do not|don't|dnc|no)[- ]?(?:call|contact)?",
    r"|no more (?:phone )?calls",
    r"|(?:don't|do not|dont|didn't|never) (?:want|wish|need) (?:any |these |those |your |more |any more |anymore |further |to get |to receive )*(?:phone |sales |marketing )?calls",
    r"|(?:don't|do not|dont) (?:want|wish) (?:to be (?:called|contacted|phoned)|you (?:to (?:call|contact|phone)|calling|contacting)|anyone (?:to call|calling)|anybody (?:to call|calling))",
    r"|(?:revoke|withdraw|take back) (?:my )?(?:consent|permission)",
    r"|opt(?:ing)? (?:me )?out(?: of (?:\w+ )?calls)?",
    r"|(?:cease|end) (?:all )?(?:calls|calling|contact|communication)",
    r"|leave (?:me|us) alone)"
);
/// "Don't call me before nine", "… ma'am", "take me off speaker": of a time, a name, another thing.
static LIMITED: LazyLock<Regex> = pattern!(
    r"^[\s,]*(?:(?:again |back |please )?(?:before|after|until|till|between|during|while|unless|except|at (?:night|noon|midnight|dinner|lunch|\d|this hour|this time|these hours|that time)|on (?:mon|tues|wednes|thurs|fri|satur|sun|week)|in the (?:morning|afternoon|evening|middle)|this (?:early|late)|so (?:early|late|often)|too (?:early|late|often)|when|if)\b",
    r"|(?:sir|ma'am|maam|madam|miss|mrs|mr|names?|a|an|that|honey|sweetheart|buddy|dude|bro|speaker|hold|mute|of (?:speaker|hold)|the (?:speaker|hook|flight|waiting))\b|i'?(?:ll| will) call)"
);
/// "Don't call me now" is of a time; "stop calling me now" is not.
static FOR_NOW: LazyLock<Regex> = pattern!(
    r"^[\s,]*(?:back |again )?(?:today|tomorrow|tonight|right now|now|at work|on my|this (?:morning|afternoon|evening|week))\b"
);
static SMS: LazyLock<Regex> = pattern!(
    r"\b(?:(?:stop|quit) (?:texting|messaging|sending (?:me |us )?(?:\w+ )?(?:texts?|text messages|messages|sms))|(?:do not|don't|dont|never) (?:text|sms|message) (?:me|us|this number)|no more (?:texts?|text messages|sms)|(?:don't|do not|dont) (?:want|send)(?: me| us)? (?:any |these |your |more |any more )*(?:texts?|text messages|sms)|opt(?:ing)? (?:me )?out of (?:\w+ )?(?:texts?|text messages|sms|messages))\b"
);
static RECORDING: LazyLock<Regex> = pattern!(
    r"\b(?:(?:do not|don't|dont) (?:record|tape) (?:me|us|this|the|my)|(?:do not|don't|dont|didn't) (?:want|wish|like|agree|consent)(?: for)?(?: this| the| my| to| you)*(?: call| conversation| voice)?(?: to| being| be)* ?(?:recorded|recording|taped|record)|stop (?:the )?recording|(?:turn|switch) (?:off the recording|the recording off)|not (?:comfortable|ok|okay|happy|fine) (?:with )?(?:being|to be|you|this|the)?(?: call)?(?: being)? ?record(?:ed|ing)|refuse to be recorded|no recording)\b"
);
static FORGET: LazyLock<Regex> = pattern!(
    r"\b(?:(?:do not|don't|dont) (?:remember|memorize|save|store|keep|retain) (?:this|that|me|any of (?:this|that|my)|my (?:\w+ )?(?:info|information|data|details|number|name|conversation)|what i)|forget (?:what i (?:said|told)|i said|everything i|my (?:info|information|data|details|name))|(?:this is|keep this|strictly) off the record)\b"
);
/// The same in other languages that callers speak: a revocation is honoured in any.
static STOP_ABROAD: LazyLock<Regex> = pattern!(
    r"(?:no (?:me|nos) (?:llame|llamen|llames|vuelvan? a llamar|contacten?)(?: m[aá]s| nunca)?|dej(?:e|en|a) de llamar(?:me|nos)?|(?:qu[ií]te|b[oó]rr|elim[ií]n)(?:e|en)?(?:me)? de (?:su|la|esa) lista|no quiero (?:recibir )?m[aá]s llamadas",
    r"|ne (?:m'|m’|nous )(?:r?appelez) (?:plus|pas|jamais)|arr[eê]tez de (?:m'|m’|nous )appeler|(?:retirez|enlevez|supprimez)[- ](?:moi|mon num[eé]ro) de (?:votre|la) liste|plus d'appels",
    r"|rufen sie (?:mich|uns|hier|diese nummer) (?:bitte )?(?:nicht|nie) (?:mehr|wieder) an|h[oö]ren sie (?:bitte )?auf,? (?:mich|uns|hier) anzurufen|(?:nehmen|streichen|l[oö]schen) sie (?:mich|meine nummer) (?:bitte )?(?:von|aus) (?:der|ihrer|dieser) liste|keine anrufe mehr",
    r"|n[aã]o (?:me|nos) ligu?(?:e|em|a|am)(?: mais| nunca)?|par(?:e|em) de (?:me |nos )?ligar|(?:tire|remova)(?:-me| meu n[uú]mero| o meu n[uú]mero)? da (?:sua|vossa) lista",
    r"|non (?:mi|ci) chiam(?:i|ate|ino)(?: pi[uù]| mai)|smett(?:a|ete) di chiamar(?:mi|ci)|(?:mi tolga|toglietemi) dalla (?:vostra |sua )?lista",
    r"|bel (?:me|mij|ons) niet meer|stop met (?:mij te )?bellen|haal (?:me|mij|mijn nummer) van (?:de|uw|jullie) lijst)"
);
static AGAIN: LazyLock<Regex> = pattern!(
    r"\b(?:(?:you|you guys) (?:can|may) (?:call|phone|contact) (?:me|us) again|(?:ok|okay|fine|alright|all right) (?:to|if you) (?:call|phone|contact) (?:me|us) (?:again|now)|(?:put|add) me back (?:on|to) (?:your|the) (?:\w+ )?list|(?:start|resume) calling (?:me|us)(?: again)?)\b"
);
/// "I never said stop calling me."
static DENIED: LazyLock<Regex> = pattern!(
    r"\bnever want (?:you|them) to\W*$|\b(?:didn't|did not|never|not|wasn't) (?:say|said|ask|asked|saying|asking|tell|told)(?: \w+){0,3}\W*$"
);

pub(super) fn find(call: &Call<'_>, notes: &mut Notes) {
    for (at, turn) in call.callers() {
        for hit in STOP.find_iter(turn.text) {
            let rest = tail(turn.text, hit.end());
            let first = hit.as_str().to_lowercase();
            let stop = first.starts_with("stop") || first.starts_with("quit");
            let limited = LIMITED.is_match(rest)
                || (!stop && FOR_NOW.is_match(rest))
                || is_name(hit.as_str(), rest);
            let denied = DENIED.is_match(lead(turn.text, hit.start()));
            let texts = SMS
                .find(turn.text)
                .is_some_and(|sms| sms.start() == hit.start());
            if !limited && !denied && !texts {
                notes.push(Note::new(Slot::DoNotCall, "true", at, hit.range(), 0.95));
                break;
            }
        }
        for (slot, cue, value, confidence) in [
            (Slot::DoNotCall, &STOP_ABROAD, "true", 0.9),
            (Slot::OptOutSms, &SMS, "true", 0.9),
            (Slot::RecordingRefused, &RECORDING, "true", 0.9),
            (Slot::RememberMe, &FORGET, "no", 0.85),
        ] {
            if let Some(hit) = cue.find(turn.text)
                && !DENIED.is_match(lead(turn.text, hit.start()))
            {
                notes.push(Note::new(slot, value, at, hit.range(), confidence));
            }
        }
        if let Some(hit) = AGAIN.find(turn.text)
            && !turn.text.trim_end().ends_with('?')
        {
            let note = Note::new(Slot::DoNotCall, "true", at, hit.range(), 0.8);
            notes.push(note.op(Op::Retract));
        }
    }
}

/// "Don't call me Bob": a capital where the words before it have none.
fn is_name(said: &str, rest: &str) -> bool {
    let me = said.ends_with("me") || said.ends_with("us");
    me && words(rest).first().is_some_and(|word| {
        rest.starts_with(' ')
            && word.place.start == 1
            && word.text.starts_with(char::is_uppercase)
            && word.text.chars().any(char::is_lowercase)
            && !is_common(word.text)
    })
}
