//! What goes on at each server, and where the next request goes.

use std::time::{Duration, Instant};

use super::asking::Asking;
use super::health::{End, Health, Standing};
use super::load;
use super::prefixes::Prefixes;
use super::settings::ServersSettings;
use crate::chat::options::ConversationKey;

/// All servers at a moment.
#[derive(Debug)]
pub(super) struct Board {
    members: Vec<Member>,
    prefixes: Prefixes,
    settings: ServersSettings,
    /// Requests of no conversation so far: they go round where servers have as many requests.
    turns: usize,
}

/// One server.
#[derive(Debug)]
pub(super) struct Member {
    /// The most requests at once.
    limit: usize,
    /// Requests that are there.
    load: usize,
    pub health: Health,
    /// Requests passed on because it had too many.
    pub spills: u64,
    /// How long requests waited until they went there.
    pub queued: Duration,
}

/// What a request does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// It goes there, perhaps as a trial.
    Go { server: usize, trial: bool },
    /// It waits for another request.
    Wait,
    /// It waits for a server that rests.
    Rest(Instant),
    /// It was everywhere, and may try again after a while.
    Again,
    /// There is no server for it.
    Nowhere,
}

impl Board {
    /// For servers of these limits, of which none was asked yet.
    pub fn new(limits: impl IntoIterator<Item = usize>, settings: ServersSettings) -> Self {
        let member = |limit| Member {
            limit,
            load: 0,
            health: Health::new(settings.outages, settings.retries.longest_asked),
            spills: 0,
            queued: Duration::ZERO,
        };
        let members: Vec<Member> = limits.into_iter().map(member).collect();
        let prefixes = Prefixes::new(settings.warming.most, members.len());
        Self { members, prefixes, settings, turns: 0 }
    }

    /// The servers, in the order in which they were named.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What a request does at `now` that has waited since `begun`.
    pub fn choose(&mut self, asking: &mut Asking, begun: Instant, now: Instant) -> Choice {
        let order = asking.order.clone().unwrap_or_else(|| self.by_load());
        let places: Vec<(usize, &Member)> =
            order.iter().filter_map(|at| Some((*at, self.members.get(*at)?))).collect();
        let usable = |(at, member): &(usize, &Member)| {
            asking.may_go_to(*at) && matches!(member.health.standing(now), Standing::In | Standing::Due)
        };
        let usable: Vec<_> = places.into_iter().filter(usable).collect();
        // A server without a free place is none of those that the others are held against.
        let free = usable.iter().map(|(_, it)| it).filter(|it| it.load < it.limit);
        let bound = load::bound(self.settings.load_factor, free.map(|it| it.load));
        let fits = |member: &Member| member.load < member.limit && member.load < bound;
        let Some((place, &(server, _))) = usable.iter().enumerate().find(|(_, (_, member))| fits(member))
        else {
            return if usable.is_empty() { self.elsewhere(asking, now) } else { Choice::Wait };
        };
        let passed: Vec<usize> = usable.iter().take(place).map(|(at, _)| *at).collect();
        if let Some(key) = asking.key.filter(|key| self.prefixes.wait(*key, server)) {
            let patience = now + self.settings.warming.longest_wait;
            if now < *asking.patience.get_or_insert(patience) {
                return Choice::Wait;
            }
            // Too slow, or its first request hangs: all go on as if it had been read.
            self.prefixes.read(key, server);
        }
        self.go(asking.key, server, &passed, now.saturating_duration_since(begun), now)
    }

    /// A request goes to a server, past others that had too many.
    fn go(
        &mut self,
        key: Option<ConversationKey>,
        server: usize,
        passed: &[usize],
        queued: Duration,
        now: Instant,
    ) -> Choice {
        match key {
            Some(key) => {
                self.prefixes.begin(key, server);
                for at in passed {
                    if let Some(member) = self.members.get_mut(*at) {
                        member.spills += 1;
                    }
                }
            }
            None => self.turns = self.turns.wrapping_add(1),
        }
        let Some(member) = self.members.get_mut(server) else { return Choice::Nowhere };
        member.load += 1;
        member.queued += queued;
        let trial = member.health.standing(now) == Standing::Due;
        if trial {
            member.health.begin_trial();
        }
        Choice::Go { server, trial }
    }

    /// What a request does that can go to no server now.
    fn elsewhere(&self, asking: &Asking, now: Instant) -> Choice {
        let left = self.members.iter().zip(&asking.sent).filter(|(_, sent)| !sent.over);
        let mut next = Choice::Nowhere;
        for (member, sent) in left {
            match (sent.this_round, member.health.standing(now), next) {
                (true, ..) => return Choice::Again,
                (_, Standing::Trial, _) => next = Choice::Wait,
                (_, Standing::Resting(until), Choice::Nowhere) => next = Choice::Rest(until),
                (_, Standing::Resting(until), Choice::Rest(other)) => next = Choice::Rest(until.min(other)),
                _ => {}
            }
        }
        next
    }

    /// The servers by how much they have, for a request that any may answer.
    fn by_load(&self) -> Vec<usize> {
        let count = self.members.len();
        let mut order: Vec<usize> = (0..count).map(|at| (at + self.turns) % count).collect();
        order.sort_by_key(|at| self.members.get(*at).map(|member| member.load));
        order
    }

    /// A server answers a request of the conversation: it has read its beginning.
    pub fn read(&mut self, key: ConversationKey, server: usize) {
        self.prefixes.read(key, server);
    }

    /// A request leaves a server at `now`.
    pub fn leave(
        &mut self,
        server: usize,
        trial: bool,
        key: Option<ConversationKey>,
        end: &End,
        now: Instant,
    ) {
        let Some(member) = self.members.get_mut(server) else { return };
        member.load = member.load.saturating_sub(1);
        if let Some(key) = key {
            match end {
                End::Answered => self.prefixes.read(key, server),
                End::Failed(_) | End::Abandoned => self.prefixes.left(key, server),
            }
        }
        if member.health.left(end, trial, now) {
            self.prefixes.forget(server);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::client::{Failure, Wait};
    use crate::chat::message::Message;
    use crate::chat::servers::settings::Outages;

    /// Servers that are out after one failure.
    fn board(limits: &[usize], load_factor: f64) -> Board {
        let outages = Outages { failures: 1, ..Outages::default() };
        let settings = ServersSettings { load_factor, outages, ..ServersSettings::default() };
        Board::new(limits.iter().copied(), settings)
    }

    /// A request that prefers servers in the order of their naming.
    fn asking(servers: usize, text: &str) -> Asking {
        let names: Vec<String> = (0..servers).map(|it| it.to_string()).collect();
        let mut asking = Asking::new(&names, Some(ConversationKey::of(&[Message::user(text)])));
        asking.order = Some((0..servers).collect());
        asking
    }

    fn go(server: usize) -> Choice {
        Choice::Go { server, trial: false }
    }

    fn trial(server: usize) -> Choice {
        Choice::Go { server, trial: true }
    }

    fn lost() -> Failure {
        Failure::Connection { problem: "reset".into() }
    }

    /// A board at a moment.
    struct Now(Board, Instant);

    impl Now {
        fn choose(&mut self, asking: &mut Asking) -> Choice {
            self.0.choose(asking, self.1, self.1)
        }

        /// A request fails at a server.
        fn fail(&mut self, asking: &mut Asking, server: usize, trial: bool, failure: Failure) {
            self.0.leave(server, trial, asking.key, &End::Failed(failure.clone()), self.1);
            asking.failed(server, failure, Duration::from_secs(60));
        }
    }

    #[test]
    fn a_server_with_more_than_the_others_passes_requests_on() {
        let mut now = Now(board(&[10, 10], 1.25), Instant::now());
        let key = asking(2, "a").key.unwrap();
        assert_eq!(now.choose(&mut asking(2, "a")), go(0));
        now.0.read(key, 0);
        let choices: Vec<_> = (0..3).map(|_| now.choose(&mut asking(2, "a"))).collect();
        assert_eq!(choices, [go(0), go(1), go(0)]);
        let spills: Vec<u64> = now.0.members().iter().map(|it| it.spills).collect();
        assert_eq!(spills, [1, 0]);
    }

    #[test]
    fn a_server_at_its_limit_passes_requests_on() {
        let mut now = Now(board(&[1, 1], 100.0), Instant::now());
        let key = asking(2, "a").key;
        assert_eq!(now.choose(&mut asking(2, "a")), go(0));
        now.0.read(key.unwrap(), 0);
        assert_eq!(now.choose(&mut asking(2, "a")), go(1));
        assert_eq!(now.choose(&mut asking(2, "a")), Choice::Wait);
        now.0.leave(0, false, key, &End::Answered, now.1);
        let later = now.1 + Duration::from_secs(3);
        assert_eq!(now.0.choose(&mut asking(2, "a"), now.1, later), go(0));
        assert_eq!(now.0.members()[0].queued, Duration::from_secs(3));
    }

    #[test]
    fn the_first_of_a_conversation_goes_alone_for_a_while() {
        let mut now = Now(board(&[10, 10], 100.0), Instant::now());
        let (mut second, mut third) = (asking(2, "a"), asking(2, "a"));
        assert_eq!(now.choose(&mut asking(2, "a")), go(0));
        assert_eq!(now.choose(&mut second), Choice::Wait);
        assert_eq!(now.choose(&mut asking(2, "b")), go(0), "another conversation");
        now.1 += Duration::from_secs(30);
        assert_eq!(now.choose(&mut third), Choice::Wait);
        now.1 += Duration::from_secs(30);
        assert_eq!(now.choose(&mut second), go(0));
        // Nobody waits for a first that hangs any more.
        assert_eq!(now.choose(&mut third), go(0));
    }

    #[test]
    fn requests_of_no_conversation_go_where_there_are_fewest() {
        let mut now = Now(board(&[10, 10, 10], 1.25), Instant::now());
        let names = ["a", "b", "c"].map(str::to_owned);
        let mut choose = || now.choose(&mut Asking::new(&names, None));
        assert_eq!([choose(), choose(), choose(), choose()], [go(0), go(1), go(2), go(0)]);
        now.0.leave(1, false, None, &End::Answered, now.1);
        assert_eq!(now.choose(&mut Asking::new(&names, None)), go(1));
        assert!(now.0.members().iter().all(|it| it.spills == 0));
    }

    #[test]
    fn what_fails_goes_on_and_servers_come_back_by_trials() {
        let mut now = Now(board(&[4, 4], 1.25), Instant::now());
        let mut first = asking(2, "a");
        for server in [0, 1] {
            assert_eq!(now.choose(&mut first), go(server));
            now.fail(&mut first, server, false, lost());
        }
        assert_eq!(now.choose(&mut first), Choice::Again);
        assert_eq!(now.choose(&mut asking(2, "a")), Choice::Nowhere);
        now.1 += Duration::from_secs(1);
        // One request at each; a third waits for what comes of them.
        assert_eq!(now.choose(&mut asking(2, "a")), trial(0));
        assert_eq!(now.choose(&mut asking(2, "b")), trial(1));
        assert_eq!(now.choose(&mut asking(2, "c")), Choice::Wait);
        let key = asking(2, "b").key;
        now.0.leave(1, true, key, &End::Answered, now.1);
        assert_eq!(now.choose(&mut asking(2, "c")), go(1));
        let mut trying = asking(2, "a");
        now.fail(&mut trying, 0, true, lost());
        now.1 += Duration::from_secs(1);
        assert_eq!(now.choose(&mut asking(2, "a")), go(1), "it is out for 2 s now");
    }

    #[test]
    fn a_server_that_rests_is_waited_for() {
        let mut now = Now(board(&[4], 1.25), Instant::now());
        let mut first = asking(1, "a");
        assert_eq!(now.choose(&mut first), go(0));
        let seven = Some(Duration::from_secs(7));
        let busy = Failure::Status { status: 429, message: String::new(), retry_after: seven };
        now.fail(&mut first, 0, false, busy);
        assert_eq!(now.choose(&mut first), Choice::Again);
        first.again();
        let back = now.1 + Duration::from_secs(7);
        assert_eq!(now.choose(&mut first), Choice::Rest(back));
        now.1 = back;
        assert_eq!(now.choose(&mut first), trial(0));
    }

    #[test]
    fn what_was_too_slow_does_not_go_there_again() {
        let mut now = Now(board(&[4, 4], 1.25), Instant::now());
        let mut first = asking(2, "a");
        let slow = || Failure::TimedOut { wait: Wait::Total, after: Duration::from_secs(1) };
        for server in [0, 1] {
            assert_eq!(now.choose(&mut first), go(server));
            now.fail(&mut first, server, false, slow());
        }
        assert_eq!(now.choose(&mut first), Choice::Nowhere);
    }
}
