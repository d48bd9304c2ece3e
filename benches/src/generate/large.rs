//! What makes an event large: breadcrumbs, contexts, request and variables, as JSON.
//!
//! Most of the text is the group's own; an event adds the times of its breadcrumbs and a dozen numbers.

use super::Service;
use super::random::Random;
use super::template::Template;
use super::words::{MODULES, NOUNS, VERBS};

/// The columns, in the order of their templates in a group.
pub(crate) const COLUMNS: [&str; 4] = ["breadcrumbs", "contexts", "request", "frame_vars"];

const CRUMBS: usize = 9;
const FRAMES: usize = 4;

// In these texts `$word` is replaced once per group and `{hole}` in every event.
const CRUMB_HTTP: &str = concat!(
    r#"{"timestamp":{time-$before},"type":"http","category":"httplib","level":"info","data":{"method":"GET","#,
    r#""url":"https://$noun.internal.acme.example$route","status_code":200,"reason":"OK"}}"#,
);
const CRUMB_QUERY: &str = concat!(
    r#"{"timestamp":{time-$before},"type":"default","category":"query","level":"info","#,
    r#""message":"SELECT id, state, updated_at FROM $nouns WHERE id = %s AND state <> 'closed' FOR UPDATE"}"#,
);
const CRUMB_LOG: &str = concat!(
    r#"{"timestamp":{time-$before},"type":"default","category":"$module.$verb","level":"warning","#,
    r#""message":"$verb $noun took longer than expected: {n} ms"}"#,
);
const CONTEXTS: &str = concat!(
    r#"{"runtime":{"name":"$name","version":"$version","build":"$name $version (main, Oct 2026) [GCC 14.2.0]","#,
    r#""type":"runtime"},"os":{"name":"Linux","version":"6.12.57","build":"SMP PREEMPT_DYNAMIC Debian","#,
    r#""kernel_version":"6.12.57-cloud-amd64","type":"os"},"device":{"arch":"x86_64","processor_count":8,"#,
    r#""memory_size":34359738368,"free_memory":{id}000,"family":"Server","type":"device"},"#,
    r#""cloud_resource":{"cloud.provider":"aws","cloud.platform":"aws_eks","#,
    r#""cloud.availability_zone":"eu-west-1$zone","k8s.cluster.name":"prod-$zone","#,
    r#""k8s.deployment.name":"$service","k8s.namespace.name":"$team"},"#,
    r#""culture":{"calendar":"gregory","locale":"en-US","timezone":"Etc/UTC"},"#,
    r#""trace":{"trace_id":"{trace}","op":"http.server","status":"internal_error","origin":"auto.http"}}"#,
);
const REQUEST: &str = concat!(
    r#"{"url":"https://api.acme.example$route/{id}","method":"$method","#,
    r#""query_string":"page={n}&limit=50&expand=lines,customer","headers":{"Accept":"application/json","#,
    r#""Accept-Encoding":"gzip, deflate, br","Accept-Language":"en-US,en;q=0.9","#,
    r#""Content-Type":"application/json; charset=utf-8","Content-Length":"{ms}","Host":"api.acme.example","#,
    r#""User-Agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "#,
    r#"Chrome/142.0.0.0 Safari/537.36","X-Forwarded-Proto":"https","X-Service":"$service"},"#,
    r#""env":{"SERVER_NAME":"$service","SERVER_PORT":"8080"}}"#,
);
const FRAME: &str = concat!(
    r#"{"self":"<acme.$module.$verbHandler object>","$noun_id":$number,"$noun":{"id":$number,"#,
    r#""state":"$verb_pending","lines":"[Filtered]","currency":"EUR"},"attempt":1,"#,
    r#""options":{"strict":true,"timeout":30}}"#,
);

pub(crate) fn templates(random: &mut Random, service: &Service, route: &str) -> Vec<Template> {
    let (name, version) = service.language.runtime().split_once(' ').unwrap_or_default();
    let zone = random.choose(&["a", "b", "c"]);
    let method = random.choose(&["GET", "POST", "PUT", "PATCH"]);
    let words = [
        ("$name", name),
        ("$version", version),
        ("$zone", zone),
        ("$service", &service.name),
        ("$team", service.team),
        ("$route", route),
        ("$method", method),
    ];
    let texts = [breadcrumbs(random, route), fill(CONTEXTS, &words), fill(REQUEST, &words), frame_vars(random)];
    texts.iter().map(|text| Template::new(text)).collect()
}

fn breadcrumbs(random: &mut Random, route: &str) -> String {
    let crumbs = (0..CRUMBS).map(|n| {
        let before = ((CRUMBS - n) * 2).to_string();
        let module = random.choose(&MODULES);
        let (verb, noun) = (random.choose(&VERBS), random.choose(&NOUNS));
        let words =
            [("$before", before.as_str()), ("$noun", noun), ("$verb", verb), ("$module", module), ("$route", route)];
        fill([CRUMB_HTTP, CRUMB_QUERY, CRUMB_LOG][n % 3], &words)
    });
    format!("[{}]", crumbs.collect::<Vec<_>>().join(","))
}

fn frame_vars(random: &mut Random) -> String {
    let frames = (0..FRAMES).map(|n| {
        let module = random.choose(&MODULES);
        let (verb, noun) = (random.choose(&VERBS), random.choose(&NOUNS));
        let number = if n % 2 == 0 { "{id}" } else { "42" };
        fill(FRAME, &[("$module", module), ("$verb", verb), ("$noun", noun), ("$number", number)])
    });
    format!("[{}]", frames.collect::<Vec<_>>().join(","))
}

fn fill(text: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(text.to_owned(), |text, (name, word)| text.replace(name, word))
}
