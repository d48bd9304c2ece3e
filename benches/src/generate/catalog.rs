//! The services and groups that all events of a data set share.

use super::random::Random;
use super::stacks::{Frame, Stack, stacks};
use super::template::Template;
use super::words::{DOMAINS, MESSAGES, MODULES, NOUNS, REASONS, ROLES, TEAMS, VERBS, exceptions};
use super::{HOSTS, RELEASES, Size, large};

/// Number of services.
pub const SERVICES: usize = 200;
/// Number of projects, as in the tag `app_project`.
pub const PROJECTS: usize = 40;
/// Number of groups.
pub const GROUPS: usize = 5_000;
/// Stacks of a group, which differ in line numbers.
pub const VARIANTS: usize = 4;
/// Bytes of the shortest and the longest stacks, about, and how much more frequent short ones are; their mean makes
/// events as long as they should be.
const STACK_BYTES: (f64, f64) = (560.0, 2_400.0);
const STACK_SKEW: f64 = 1.8;

/// What a service is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Python.
    Python,
    /// Java.
    Java,
    /// JavaScript under Node.
    JavaScript,
}

impl Language {
    /// The column `platform`.
    pub fn platform(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Java => "java",
            Self::JavaScript => "javascript",
        }
    }

    /// The tag `runtime`.
    pub fn runtime(self) -> &'static str {
        match self {
            Self::Python => "cpython 3.13.1",
            Self::Java => "openjdk 21.0.5",
            Self::JavaScript => "node v22.12.0",
        }
    }
}

/// A program that sends events.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The tag `app_project`.
    pub project: String,
    /// The tag `team`.
    pub team: &'static str,
    /// What it is written in.
    pub language: Language,
    /// Its logger.
    pub logger: String,
    /// Releases in use, most frequent first.
    pub releases: [String; RELEASES],
    /// Its hosts.
    pub hosts: [String; HOSTS],
    package: String,
}

/// What the events of one group share.
#[derive(Debug)]
pub struct Group {
    /// Index of its service.
    pub service: u16,
    /// Type of the exception.
    pub exception_type: &'static str,
    /// Text of the exception.
    pub exception_value: String,
    /// Innermost function of the program.
    pub culprit: String,
    /// The message without its parameters.
    pub template: String,
    /// The tags that all its events share.
    pub tags: Vec<(&'static str, String)>,
    pub(crate) message: Template,
    pub(crate) stacks: [Stack; VARIANTS],
    /// Of the first variant, the innermost first.
    pub(crate) frames: Vec<Frame>,
    /// Values of the columns of [`large::COLUMNS`]; empty where events are small.
    pub(crate) large: Vec<Template>,
}

/// Services and groups.
#[derive(Debug)]
pub struct Catalog {
    /// All services.
    pub services: Vec<Service>,
    /// All groups, most frequent first.
    pub groups: Vec<Group>,
}

impl Catalog {
    pub(crate) fn new(seed: u64, size: Size) -> Self {
        let mut random = Random::new(seed);
        let services: Vec<_> = (0..SERVICES).map(|index| service(&mut random, index)).collect();
        let groups = (0..GROUPS).map(|rank| group(&mut random, &services, rank, size)).collect();
        Self { services, groups }
    }
}

fn service(random: &mut Random, index: usize) -> Service {
    let (domain, role) = (DOMAINS[index % DOMAINS.len()], ROLES[index / DOMAINS.len()]);
    let language =
        [Language::Python, Language::Java, Language::Python, Language::JavaScript, Language::Java][index % 5];
    let minor = random.below(20);
    Service {
        name: format!("{domain}-{role}"),
        project: format!("p{:02}", index * PROJECTS / SERVICES),
        team: TEAMS[random.below(TEAMS.len())],
        language,
        logger: format!("{domain}.{role}"),
        releases: std::array::from_fn(|back| format!("{domain}-{role}@3.{}.{}", minor + 4 - back, random.below(9))),
        hosts: std::array::from_fn(|_| format!("{domain}-{role}-{:05x}", random.next() & 0xf_ffff)),
        package: format!("{domain}_{role}"),
    }
}

fn group(random: &mut Random, services: &[Service], rank: usize, size: Size) -> Group {
    // Steps of the golden ratio: frequent groups go to different services and have stacks of every length, so that means
    // do not hang on the seed.
    let spread = (0.5 + rank as f64 * 0.618_033_988_749_895).fract();
    let index = (rank * 73 + random.below(7)) % SERVICES;
    let service = &services[index];
    let (verb, noun, reason) = (random.choose(&VERBS), random.choose(&NOUNS), random.choose(&REASONS));
    let source = random.choose(&MESSAGES).replace("{verb}", verb).replace("{noun}", noun).replace("{reason}", reason);
    let template = ["{id}", "{ms}", "{n}", "{user}"].iter().fold(source.clone(), |text, hole| text.replace(hole, "%s"));
    let exception_type = random.choose(exceptions(service.language));
    let exception_value = format!("{reason} ({noun})");
    let bytes = STACK_BYTES.0 + spread.powf(STACK_SKEW) * (STACK_BYTES.1 - STACK_BYTES.0);
    let head = format!("{exception_type}: {exception_value}");
    let (stacks, frames) = stacks(random, service.language, &service.package, &head, bytes as usize);
    let route = format!("/api/v2/{}s/{verb}", noun);
    let tags = vec![
        ("app_project", service.project.clone()),
        ("team", service.team.to_owned()),
        ("runtime", service.language.runtime().to_owned()),
        ("component", random.choose(&MODULES).to_owned()),
        ("status_code", random.choose(&["500", "502", "503", "504", "400", "409"]).to_owned()),
        ("route", route.clone()),
    ];
    let large = match size {
        Size::Small | Size::Huge => Vec::new(),
        Size::Large => large::templates(random, service, &route),
    };
    Group {
        service: index as u16,
        exception_type,
        exception_value,
        culprit: frames.first().map(|frame| format!("{}.{}", frame.module, frame.function)).unwrap_or_default(),
        template,
        tags,
        message: Template::new(&source),
        stacks,
        frames,
        large,
    }
}
