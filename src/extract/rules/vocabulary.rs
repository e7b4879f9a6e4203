//! Words that are no names: what callers say most.

use std::collections::HashSet;
use std::sync::LazyLock;

const COMMON: &str = "helo hello hii hiii heloo hlo hallo offcourse ofcourse mate okbye a about above absolutely account actually address afraid after afternoon again agent ago ah \
all already alright also always am an and another any anybody anymore anyone anything anyway apartment \
appointment april are area around as ask at august available away awesome baby back bad bag bank be because bed been before begin \
behind being best better between big bill birthday black blue board boarding book booked booking both boy break bring broken \
brother business busy but buy by bye call called caller calling calls came can cancel cannot cant car card cards care cars case cash cell \
certain chance change charge charged charges cheap check child claim class clear close code coffee cold color come complaint company complete confirm confirmation \
confused connect contact cool copy correct cost could couple course cover cracked credit customer daily damaged dark data date daughter day days \
dear december deal debit decide definitely delay delivery department departure destination details did difficult dinner do doctor does doing dollars done dont door down drink drive due \
during each early economy eight either eleven else email end english enough error even evening ever every everyone everything exactly excellent \
except excuse expensive extra family fan far fast father february fee feel few fifteen fifty file fill finally find fine finish first five fix \
flight flights flying food for forget forgot form forty forward found four free friday friend from front full fully furious further game gave \
get gets getting give glad go going gone good goodbye got great green guess guy had hai half hang happy hard has have having he head hear \
hell hello help helpful hence her here hers hey hi higher him his hold home hope hot hotel hour hours house how however huh hundred hungry i \
id idea if ill im in included information inside instead insurance insured interested internet into is issue it its itself ive january job july june just \
keep kind know lady large last late later latest laptop lately leave left less let lets life like line list listen little live living loan location lock \
log login long look looking lost lot love low lunch luck madam mail main make making male man many march married master match may maybe me mean \
meal medium meet member message middle might milk million mine minute minutes miss missing mm model mom moment monday money month months more \
morning mother move moving mr mrs much must my myself name named nearby need needed needs never new news next nice night nine ninety no nobody \
none noon nope nor normal not nothing november now number october of off offer office often oh ok okay okey old on once one oneway only onto open option options or order \
other our out outside over own package page paid paper part party pass passenger passengers passport password past pay payment people perfect perhaps \
person persons phone pick pizza place plan plane play please pleased pleasure plus point policy possible prefer premium present pretty previous price probably \
problem proof provide purchase put question quick quickly quite raise rate rather reach ready real really reason receive recent recently record red \
refund regarding related remember remove rent repair repeat replace report request reservation reserve resolve response rest retired return returning reward right room round \
running sad safe said same saturday save saw say saying school screen seat seats second see seem send senior sent september service seven several \
shall she ship shipping shop short should show sick side since single sir sister sit six size slow small so soda some somebody someone something sometime \
son soon sorry sound sounds speak speaking spell spoke start started state status stay still stolen stop store street stuck stupid such suggest sunday super support suppose supposed \
sure surely system table take taken taking talk talking tax tea team tech tell ten than thank thanks that thats the their them then there these they thing things \
think third thirty this those though thought thousand three through thursday ticket tickets till time tired to today together tomorrow tonight too total toward track transaction \
transfer travel traveling trip trouble true try trying tuesday turn tv twelve twenty two type under understand unable unfortunately united until up update upgrade upset us use \
used user using usually vacation very via view wait waiting wake want wanted wants warm was watch way we website wednesday week weekend weeks welcome well were what \
when where whether which while white who whole whom why wife will window wish with within without woman wonderful wondering wont word work worked \
working works worried worry would wow write wrong ya yea yeah year years yellow yep yes yesterday yet you young your yours yup zero zip \
acura audi bmw buick cadillac chevrolet chevy chrysler corolla camry civic accord dodge ferrari fiat ford gmc honda hyundai infiniti iphone jaguar jeep kia lexus \
mazda mercedes benz mini mitsubishi nissan porsche renault samsung skoda subaru suzuki tata tesla toyota volkswagen volvo vw pixel galaxy windows android \
burger fries cheese chicken beef pepperoni coke pepsi salad sauce large topping toppings bacon onions mushrooms sandwich wings sprite water \
london paris delhi mumbai chennai bangalore goa india america usa canada texas california florida york chicago boston seattle houston dallas denver miami atlanta vegas \
angeles francisco singapore dubai thailand bangkok tokyo sydney mexico hawaii london germany france spain italy china japan australia english spanish french german \
american airlines delta southwest jetblue spirit frontier emirates lufthansa economy business aisle";

static WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| COMMON.split_whitespace().collect());

/// Whether a word is too common to be taken for a name without other grounds. (Some are names:
/// "Will" and "May" are taken when they follow "my name is".)
pub(super) fn is_common(word: &str) -> bool {
    let lower = word.to_lowercase();
    let bare = lower.replace(['\'', '’'], "");
    WORDS.contains(bare.as_str())
        || (bare.len() > 5
            && (bare.ends_with("ing") || bare.ends_with("ed") || bare.ends_with("tion")))
        || (bare.len() > 4
            && bare.ends_with("ly")
            && !["kelly", "molly", "emily", "holly", "sally", "billy"].contains(&bare.as_str()))
}

/// Function words: where a name has ended, however it was introduced.
pub(super) fn ends_name(word: &str) -> bool {
    const ENDS: [&str; 67] = [
        "and",
        "is",
        "my",
        "with",
        "from",
        "calling",
        "here",
        "speaking",
        "i",
        "i'm",
        "im",
        "but",
        "the",
        "at",
        "for",
        "on",
        "to",
        "so",
        "number",
        "phone",
        "email",
        "booking",
        "policy",
        "claim",
        "account",
        "ssn",
        "social",
        "order",
        "sir",
        "madam",
        "please",
        "thanks",
        "thank",
        "you",
        "it",
        "it's",
        "that's",
        "thats",
        "of",
        "in",
        "not",
        "as",
        "can",
        "could",
        "would",
        "want",
        "need",
        "am",
        "was",
        "or",
        "who",
        "because",
        "confirmation",
        "last",
        "first",
        "name",
        "card",
        "credit",
        "no",
        "yes",
        "this",
        "ok",
        "ph",
        "num",
        "id",
        "a",
        "code",
    ];
    ENDS.iter().any(|end| word.eq_ignore_ascii_case(end))
}
