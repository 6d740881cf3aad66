//! The table of cues: patterns in the language of `pattern`, those of one cue apart by semicolons.

use super::cues::Cue;
use crate::data::case::{Aspect, Topic};

/// Words that show feelings were noticed; `$hard` in a pattern stands for them.
pub(super) const HARD: &str = "hard|difficult|tough|worrying|worried|scary|scared|frightening|frightened|awful|horrible|terrible|\
    unpleasant|painful|stressful|distressing|distressed|upsetting|upset|frustrating|frustrated|\
    uncomfortable|miserable|exhausting|rough|anxious|troubling|unsettling";

/// Every cue with its patterns.
pub(super) const TABLE: &[(Cue, &str)] = &[
    (
        Cue::Ask,
        "^do you|it|the|that|your|this|these|those|they|anything|anyone|anybody|any|she|he|food|eating; \
         ^have you|it|the|your|there|anyone|anything|this|that|they|these|any|she|he; \
         ^be you|it|the|there|your|this|that|any|anyone|they|these|she|he; ^can you; ^could you; \
         ^would you; ^could it; ^can it; ^any|anything|anyone; \
         ^what * be|do|have|kind|type|sort|dose|about|else|happen|make|bring|seem|can|could|would|symptom|other|reaction|colour|medicine|medication|time|trigger|help|worry|concern|bother; \
         ^when be|do|have; ^where; ^which; ^who; ^why; ^how; ^ever; tell me; describe; \
         let me know if|whether|when|how|what; would like to know|ask|hear; want to know|ask|hear; \
         need to know|ask; wonder if|whether|about; can|may|could i ask; what about; how about; \
         ^about your|the|any; can|could you say|explain|rate|point|show; i will ask; ask you|about; \
         talk me through; walk me through; mind telling; ^since when; ^for how long; ^at what; ^in what; \
         ^on a scale; ^to what; ^with whom; ^rate; ^go on; ^anything else; ^more about; do you|it|that|the; \
         have you|there been; be you|there any",
    ),
    (
        Cue::AskPast,
        "have you|anyone|your|they; do you|your|they; be there|your; what be|do; when be|do; \
         result|results; last time; recently",
    ),
    (
        Cue::Aspect(Aspect::Onset),
        "when do|be|have; when * start|begin|notice|first|onset|appear; how long ago; how long have|be you; \
         how long do you have; how long be it|this|that|the|your; since when; how long you|it|this|that; \
         how long * been; for how long; how many day|week|month|year|hour; \
         how do it|the|this|that|they * start|begin|come; how it|the|this|that|they * start|begin|come; do * start|begin; start|begin|come suddenly; \
         come on|start|begin * sudden|suddenly|gradually|slowly|quickly|all; \
         sudden|suddenly|gradual|gradually; what be you do; onset; duration; \
         how long * you had|have|notice|suffer|feel|experience|cough|vomit|take|smoke; \
         day|week|month|year ago; how recent|recently; how long * go on|going; how long * bother|trouble; \
         first notice|start|begin|appear|come|have|feel",
    ),
    (
        Cue::Aspect(Aspect::Course),
        "how often; how frequent|frequently; come and go; comes and goes; come or go; constant|constantly; \
         intermittent|intermittently; continuous|continuously; get better or worse; \
         getting better or worse; get worse or better; better or worse since; worse over|since; \
         change over|since; change at all; progress|progressed|progressing|progression; \
         how long * last|lasts; last for how; last how; all the time; every day; be * gone; each episode|time|attack; \
         improve since|over|at; be * get|getting better|worse; have * get|gotten better|worse; \
         better, worse; same since; how many time; how many episode|attack; there all; always there; \
         go away by|on|completely; ever go away; evolve; happen every; wax and wane; come in waves; \
         how have it|this|that|the|things * be|change|go",
    ),
    (
        Cue::Aspect(Aspect::Character),
        "what do * feel like; what be * like; dry|wet|productive|watery|bloody or; \
         be * dry|productive|itchy|bloody|watery|painful; what * look like; describe; feel like; \
         what kind|type|sort of pain|ache|cough|headache|feeling|sensation|rash|discomfort; sharp; dull; \
         burning; stabbing; crushing; throbbing; cramping|crampy|cramp; squeezing; pulsating|pulsing; \
         tearing; pressing|pressure like; character; quality; nature of; what colour|color; \
         colour|color of|be; aching or; how would you describe; dry or; bloody or|watery; \
         in your own words what",
    ),
    (
        Cue::Aspect(Aspect::Severity),
        "how bad|badly|severe|severely|intense|serious|strong|painful|high|much|heavy * be|do|pain|it|the; \
         how bad|severe|intense|painful|severely|badly; scale; out of 10; from|of|between 0 to|and 10; \
         from|of|between 1 to|and 10; 0 to 10; 1 to 10; severity; worst; rate; \
         affect|affecting|interfere|stop * life|sleep|work|day|daily|you|activity; intensity; \
         mild|moderate or|to severe; how much do it|the|this hurt; how much pain; mild or; \
         unbearable|bearable; be * mild|bad|severe|intense|terrible; wake you; keep|keeps you awake|up",
    ),
    (
        Cue::Aspect(Aspect::Location),
        "where be; where do; where exactly; where * pain|hurt|feel|ache|rash|swelling|locate; \
         which part|side|area|leg|arm|foot|knee|ear|eye|joint|spot; what part|area|side; point to; \
         point with; location; located; show me where; one side; left or right; on the left|right; left|right hand side; in the middle; both side|legs; \
         whereabouts; in one place|spot",
    ),
    (
        Cue::Aspect(Aspect::Radiation),
        "radiate|radiating|radiation; spread|spreading; \
         do|be * travel|move|shoot|go anywhere|to|into|down|up|through; travel|move|go|shoot anywhere; \
         move|go to|into|down|through your|the|another|other; anywhere else",
    ),
    (
        Cue::Aspect(Aspect::Aggravating),
        "make * worse; makes * worse; anything|something|what * worse; \
         worsen|worsens|aggravate|aggravates|aggravating|exacerbate|exacerbates; trigger|triggers; \
         bring|brings * on; provoke|provokes; worse when|with|on|after|at|if|during|by|in; set|sets * off; \
         hurt more|worse; hurt when|to; come|comes on when|after|with; worse or better; \
         better or worse with|when|after; make it better or worse; make * better or worse",
    ),
    (
        Cue::Aspect(Aspect::Relieving),
        "make * better; makes * better; anything|something|what * better; \
         relieve|relieves|relieving|relief; ease|eases|easing; \
         anything|something|what * help|helps|helped|helping; better when|with|after|if|by; \
         alleviate|alleviates|alleviating; do * help; improve|improves with|when|after; \
         go|goes away when|with|if; settle with|when; make * better or worse; worse or better; \
         take anything for it; take anything for the pain; tried anything",
    ),
    (
        Cue::Aspect(Aspect::Detail),
        "what|which dose|dosage|strength; how much|many * take|drink|smoke|use|a|per; \
         how often * take|drink|smoke|use; what * reaction; what happen * take|have|had; \
         what happened when; which medicine|medication|drug|tablet|one|ones; \
         how many cigarettes|pack|units|drinks|tablets; dose|dosage; what do * react; \
         what reaction|kind of reaction; details; names of; how was it treated; what be the result|results; \
         what be * name; how much alcohol; a day or|per day",
    ),
    (
        Cue::Topic(Topic::History),
        "medical history; past medical; past history; \
         medical condition|conditions|problem|problems|issue|illness; \
         health condition|problem|issue|conditions|problems|issues; \
         other illness|condition|disease|illnesses|conditions|diseases|diagnosis; chronic; \
         any condition|illness|disease|conditions|illnesses|diseases; surgery; operation; pmh; pmhx; \
         hospitalised|hospitalized|hospitalisation|hospitalization; in hospital; been diagnose; \
         be you * diagnosed; long term|standing condition|conditions|illness|illnesses|problem; \
         ongoing condition|conditions|health|medical; past illness|illnesses|problem|problems; \
         general health; usually|normally|otherwise healthy|well|fit; anything like this; happen before; \
         this before; health history; \
         previous|past illness|episode|health|medical|problem|operation|surgeries|surgery; \
         see a doctor for anything; history of illness; under a doctor; \
         illness|disease|condition|sickness have you; illness|disease|condition|sickness do you have|suffer|get; \
         illness|disease|condition|problem|sickness before|previously; ill|unwell before; ever * ill|unwell; \
         illness|disease|condition|problem in the past; had anything like|similar; \
         health in general; serious illness|illnesses; treated for anything",
    ),
    (
        Cue::Topic(Topic::Medication),
        "medication; medicine; meds; tablet; pill; drug; prescription; supplement; over the counter; \
         take anything|something; be you on anything|any; anything for it|this|the pain; tried anything; \
         be you take|taking; what do you take; currently taking; on treatment; \
         do you take * regularly|every|daily",
    ),
    (
        Cue::Topic(Topic::Allergy),
        "allergy; allergic; intolerance|intolerant|intolerances; reaction|reactions to; \
         reaction|reactions do|be|have; kind|type|sort of reaction; react|reacted badly; bad reaction; \
         react|reacted to; what reaction; give you * reaction|rash; anything|medicine|drug|tablet you can not take",
    ),
    (
        Cue::Topic(Topic::Family),
        "family; relative; parents|parent; mother; father; brother; sister; sibling; \
         grandparents|grandmother|grandfather; uncle|aunt; run in; genetic|hereditary|inherited; \
         blood relation|relations|relatives",
    ),
    (
        Cue::Topic(Topic::Social),
        "you live|living with|alone|in; who * live|lives with; \
         living|home situation|arrangement|arrangements|circumstances; at home; work as|in|with; \
         your job|work|occupation|profession; do for work; for a living; social history; \
         lifestyle|habit|habits; recreational|illicit|street|illegal drug|drugs; use * drugs; \
         married|partner|spouse; contact with anyone; where do you live|work; \
         about your life|home|yourself outside; tobacco; you smoke|drink; background",
    ),
    (
        Cue::Topic(Topic::Concern),
        "you * worried|worry|worries|worrying|concerned|afraid|scared|fear|fears; \
         worried|worry|worries|concern|concerns|concerned|afraid|scared you|about; \
         your concern|concerns|worry|worries|fear|fears|expectation|expectations|thoughts|ideas; \
         any|other|particular|specific|main|biggest concern|concerns|worry|worries; what do you think; \
         what * worry|worries|concern|concerns|frightens|scares you; \
         hope|hoping|expect|expecting|like * from|i|we|for|me; what be you expecting|hoping; \
         questions for me; idea what; your own thoughts; what matters; worries you; any question|questions",
    ),
    (
        Cue::Ever,
        "ever; before; in the past; previously|previous; history of; as a child; diagnosed with; \
         suffered from; past",
    ),
    (
        Cue::Open,
        "bring|brings you; how can|may|could i|we help; what can i|we do for; how can i be of; \
         tell me more; \
         tell me about it|this|that|yourself|what|everything|the problem|your problem|your symptoms|the symptoms|your illness|how|why; \
         tell me what|everything|why; what seem|seems to be; \
         what be the problem|trouble|matter|issue|reason|story; what be wrong; what * go|going on; \
         what * happen|happened|happening; anything else; what else; how be you; how do you feel; \
         how have you been; how be things|everything|life; ^go on; \
         any other symptom|symptoms|problem|problems|complaint|complaints|concern; other symptoms|symptom; \
         own words; bother|bothers|bothering|troubling you; what symptoms|symptom; any symptoms|symptom; \
         why have you|be you * come|here; why do you come; reason for; from the beginning|start; \
         elaborate|elaborate; say more; more about it|this|that|what; what do you notice|noticed; \
         what have you noticed; your symptoms; have|has anything else; what is up; tell me your; \
         ^please go on; continue; what i can do for",
    ),
    (
        Cue::Identity,
        "your name; your full|first|last|family|second|given|christian name; your surname; your date of birth; \
         your dob|birthday|birthdate; be you born; you be born; your address|postcode; \
         your phone|telephone|mobile number; should|shall|can|may|do i|we call you; \
         who be i speaking|talking to|with; how old be you; your age; what age be you",
    ),
    (
        Cue::Foul,
        "tell|give|reveal|say|show|print|name me|the|us * diagnosis|script|answer|prompt|instructions|criteria|rubric; \
         what be your|the|my * diagnosis; \
         ^write|spell|repeat|type|output|translate|encode * diagnosis; \
         you|please write|spell|repeat|type|output|translate|encode * diagnosis; \
         write|spell|repeat|type|output|translate|encode * your diagnosis; \
         letters|lines spell * diagnosis; \
         ignore|forget|disregard * instruction|instructions|rules|prompt|above|previous; \
         what * diagnosis * hidden|correct|right; system prompt; you are * language model; as an ai; \
         correct answer; hidden diagnosis|facts|fact",
    ),
    (
        Cue::Greeting,
        "^hello; ^good morning|afternoon|evening|day; my name be; ^i be dr|doctor|your; nice to meet; \
         pleased to meet; welcome; ^greetings; i will be * looking|seeing; \
         i be * doctor|physician|clinician|nurse; i be dr",
    ),
    (
        Cue::Goodbye,
        "goodbye; ^cheerio; ^cheers; i must|need go now; ^take care; see you soon|then|next|in|later|tomorrow; \
         have a good|nice|lovely day|evening|one|weekend; farewell; that be all for|from; \
         we are done|finished; all the best; get well soon; good bye; look after yourself; \
         thank you for coming|your time",
    ),
    (
        Cue::Empathy,
        "sorry to hear|that|about|you|for; i be * sorry you|that|about|for|this; ^so sorry; ^i be sorry; \
         must be|have|feel * $hard; that|this|it sound|seem * $hard; that|this|it be * $hard; \
         sounds like you have been|had * hard|rough|difficult; \
         i|we|can understand how|that|this|why|your|you|it; understandable|understandably; \
         i can see|tell|hear you be|have|feel; \
         i can imagine|see|hear|tell * worried|worry|pain|difficult|upset|hard|scared|anxious|frightening|how|it|this|that|what; \
         thank|thanks you for tell|telling|sharing|share|trusting|being|letting|explaining; \
         thank|thanks for tell|telling|sharing|share|trusting|letting|explaining; not alone; here to help|for you; we will|to look after|take|get * care|you|this; \
         i appreciate; it be normal|natural|okay to feel|worry|be; \
         i know * hard|difficult|worry|frightening|scary|worrying; you be do|doing well|great|the right; \
         i hear you; you did the right; good that you came|come; glad you came|come|told; \
         i can see * be $hard; take your time; bear with; poor you; my sympathies|condolences",
    ),
    (
        Cue::Diagnose,
        "you have|may|might|could|probably|likely; you be having|suffer|suffering; you get; \
         this|it|that be|may|might|could|would|look|looks|seem|seems|sound|sounds|appear|appears|suggest|suggests|fit|fits|point|points|indicate|indicates; \
         i think|believe|suspect|feel|fear|worry; suspect|suspected; consistent with; in keeping with; \
         suggestive of; \
         suggest|suggests|indicate|indicates|point|points|confirm|confirms|show|shows|mean|means; \
         caused by; due to; because of; \
         be likely|probably|possibly|most|perhaps|almost|certainly|definitely; \
         concerned|worried|thinking about|for|that|of; rule out; exclude; \
         case|form|type|sign|signs|symptoms|attack|bout|episode of; typical|characteristic of; \
         sound|sounds|look|looks|seem|seems like|to; working|differential|main|likely|first diagnosis; \
         possibility|possibilities|cause|explanation|culprit; have developed|caught|got; \
         could|might|may be; impression; it be; or|versus",
    ),
    (
        Cue::DiagnoseSurely,
        "diagnosis be; my|the|your|working|final|likely diagnosis; i|we diagnose|diagnosed; diagnosed you; \
         be diagnosed; i would|can diagnose; diagnosis of",
    ),
    (
        Cue::Hedge,
        "could; might; may; perhaps; possibly; possible; possibility|possibilities; maybe; likely; \
         probably; probable; suspect|suspected; concerned|worried; rule out; exclude; differential; either; \
         not sure|certain; unlikely; consider|considering; can not rule",
    ),
    (
        Cue::Explain,
        "because; mean|means; cause|causes|caused; due to; reason; happen|happens when|because; be when; \
         explain|explains; \
         show|shows|showed|reveal|revealed|confirm|confirms|suggest|suggests|indicate|indicates; \
         result|results; normal; work|works by; help|helps * understand|to|with|your; know|understand; \
         risk; common|serious|treatable|contagious; in order to; so that",
    ),
    (
        Cue::Prescribe,
        "start * on; start|starting|begin|try|trying|use|using|give|giving|add|continue|increase|apply; \
         ^take|start|use|try|apply|continue; you to take; you * take|start|use|need|get|have|try|continue; \
         put|keep you on; course of; you on; # mg|ml|mcg|g; twice|once|times a|daily|per; \
         recommend|suggest|advise|advised|treat|treated|treatment|need|needs; by mouth; dose of; \
         relief|cream|drops; stop|avoid|not take",
    ),
    (
        Cue::PrescribeSurely,
        "prescribe|prescribed|prescribing; prescription for; write you a prescription; \
         give you some|a medicine|medication|tablets|painkillers|antibiotics; \
         start * on antibiotics|medication|treatment|tablets|painkillers",
    ),
    (
        Cue::Examine,
        "examine|examining|examination; listen to your; look at|in|into your|the|it; \
         have|take a look|listen|feel; feel your; press|palpate|tap; physical exam; auscultate; \
         check your|you; inspect",
    ),
    (
        Cue::Arrange,
        "order|ordering; arrange|arranging; request; run|running; do|perform|performing; get|getting; \
         send|sending; need|needs; check|checking; take|taking; schedule|book|organise|organize; measure; \
         obtain; have; recommend|suggest|advise",
    ),
    (
        Cue::Refer,
        "refer|referring|referral; send|sending|transfer|transferring you|him|her to|for|straight; \
         see a|an|the|our|my specialist|surgeon|cardiologist|neurologist|colleague|consultant|psychiatrist|dermatologist|gynaecologist|physiotherapist|urologist; \
         go|get|come|went|taken|take|rush|head|be|admitted|attend * hospital|emergency|er|a&e|casualty|ed; \
         call * ambulance|999|911|112; calling * ambulance|999|911|112; ambulance; \
         admit|admitting|admission you|to|him|her; needs|need to be admitted|seen by; seen by a|an|the; \
         hand you over; emergency department|room|services|care; book you in with; \
         see|speak|talk to|with a specialist|surgeon|colleague; \
         hospital now|immediately|urgently|today|straight|right",
    ),
    (
        Cue::Urgent,
        "immediately|immediate; urgent|urgently; right|straight away|now; at once; ambulance; emergency; \
         999; 911; 112; as soon as possible; without delay; a&e; er; casualty; now; tonight; this minute; \
         life threatening",
    ),
    (
        Cue::Advise,
        "^rest; ^drink; ^avoid; ^keep; ^try; ^make sure; ^stay; ^come back; ^return; ^call; ^eat; ^stop; \
         ^do not; ^go home; ^get some|plenty; ^remember; ^watch; ^monitor; ^apply; ^take; ^please; \
         ^continue; ^see a|your|us|me|the|someone; ^seek; ^use; ^limit; ^reduce; ^sleep; ^lie; ^elevate; \
         ^contact; ^ring; ^give; ^cut|quit; you should|need|must|ought; should; \
         recommend|advise|suggest|advice; \
         if it|you|the|symptoms|things|this * worse|worsen|worsens|develop|develops|get|gets|change|changes|persist|not; \
         watch|look out for; come back; follow up; important to|that you; best to; safe to; plenty of; \
         return to; see you again|back; review you; seek medical|help|attention|care; \
         lifestyle change|changes; cut down; let me know if * worse|change|not|develop; get|gets worse; \
         we will|can treat|manage|start|monitor|keep; treatment be|involves|includes|will; the plan be; \
         my plan; you will need|have to|can",
    ),
    (Cue::Condition, "if; unless; in case; should you|it|the; whenever; once you|it|the"),
    (
        Cue::Whether,
        "tell me if; let me know if; know if; see if; check if; find out if; ask if|you if; \
         wonder if|wondering if; determine if; sure if; mind if; okay if; whether",
    ),
    (
        Cue::Not,
        "not; no; never; without; unlikely; nothing; avoid; stop; neither|nor; rather than; instead of; \
         against; free of",
    ),
    (Cue::But, "but; however; instead; although; so"),
    (
        Cue::Recount,
        "you mention|mentioned|tell|told|say|said|describe|described|report|reported; as you; \
         you have told; so you; since|because|considering * you|your; i see * you; know you; \
         your history of; with your",
    ),
    (
        Cue::Intend,
        "let us|me; i|we would like|want; \
         i|we will|shall|must|should|need|be|want|recommend|suggest|propose|advise; \
         can|may|could|shall|should|might i|we; i|we going|plan|go; \
         i|we order|arrange|request|refer|prescribe|start|send|advise; you need|should|must; \
         would you mind; okay if|that; time to; next; \
         ^order|arrange|perform|request|check|get|do|measure|obtain|examine|run|listen|send",
    ),
    (Cue::About, "tell me about; tell me * more about; talk * about; say more about; describe"),
    (
        Cue::Heed,
        "^thank|thanks; ^okay; ^i see; ^i understand; ^right; ^sure; ^got it; ^understood; ^great; ^good; \
         ^fine; ^noted; ^of course; ^yes; ^alright; ^all right; ^perfect; ^excellent; ^very good; ^well; \
         ^hm|hmm|mhm|uh; ^let us|me see|continue|start|begin|move|go; ^i will ask|go|now|need|have; \
         ^i have * question|questions; ^no problem; ^sorry; ^interesting; ^now",
    ),
    (
        Cue::Verb,
        "be|have|do|will|shall|can|could|may|might|must|should|would; need|want|get|go|come|become; \
         seem|look|feel|sound|appear; make|take|give|keep|let|help|use|try; mean|cause|explain|show; \
         start|begin|stop|happen|last|spread|hurt|improve|worsen|pass|settle|heal|resolve; \
         see|say|tell|think|know|believe|hear|understand; treat|manage|check|watch|wait|rest|worry",
    ),
];
