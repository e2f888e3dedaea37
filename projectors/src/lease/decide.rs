//! Which leases a replica takes and which it gives back, so that all have about the same number.

use std::collections::HashMap;

use event_store::Epoch;
use event_store::lease::Leases;

/// After how many looks at a free subscription a replica takes it although it has its share: those whose
/// turn it is cannot, or will not.
const PATIENCE: u32 = 5;
/// For how many looks a replica that gave something back takes nothing: it is meant for another.
const RESTRAINT: u32 = 5;

/// What to do about leases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) take: Vec<(String, Epoch)>,
    pub(super) give_back: Vec<String>,
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Balance {
    /// How often in a row a subscription was seen free.
    free_for: HashMap<String, u32>,
    restraint: u32,
    /// How often something was given back: not always the same, since the hungry one may be unable to do it.
    gifts: usize,
    /// This replica has less than its share, and did not find anything to take.
    pub(super) is_hungry: bool,
}

impl Balance {
    /// Decides by what is seen. `is_able` says what this replica can work on at present.
    pub(super) fn decide(
        &mut self,
        leases: &Leases,
        is_able: impl Fn(&str, Option<i32>) -> bool,
    ) -> Decision {
        let total = leases.subscriptions.len();
        let (least, most) = (total / leases.replicas, total.div_ceil(leases.replicas));
        let able = |name: &str| {
            let found = leases.subscriptions.iter().find(|it| it.name == name);
            found.is_some_and(|it| is_able(&it.name, it.version))
        };
        let (mut kept, mut give_back): (Vec<_>, Vec<_>) = leases
            .subscriptions
            .iter()
            .filter(|it| it.is_mine)
            .map(|it| it.name.clone())
            .partition(|name| able(name));
        let mut mine = kept.len();
        if leases.is_other_hungry && mine > least {
            kept.rotate_left(self.gifts % mine);
            self.gifts += 1;
            give_back.extend(kept.into_iter().skip(least));
            mine = least;
            self.restraint = RESTRAINT;
        }

        let free = |name: &str| leases.subscriptions.iter().any(|it| it.name == name && it.is_free);
        self.free_for.retain(|name, _| free(name));
        let mut take = Vec::new();
        for it in
            leases.subscriptions.iter().filter(|it| it.is_free && !it.is_mine && able(&it.name))
        {
            let looks = self.free_for.entry(it.name.clone()).or_default();
            *looks += 1;
            let is_my_turn = mine < most && self.restraint == 0;
            if is_my_turn || *looks > PATIENCE {
                take.push((it.name.clone(), it.epoch));
                mine += 1;
            }
        }
        self.restraint = self.restraint.saturating_sub(1);
        let possible = leases.subscriptions.iter().filter(|it| able(&it.name)).count();
        self.is_hungry = mine < least.min(possible) && take.is_empty();
        Decision { take, give_back }
    }
}

#[cfg(test)]
mod tests {
    use event_store::Position;
    use event_store::lease::Leased;

    use super::*;

    const ALL: [&str; 5] = ["a", "b", "c", "d", "e"];

    /// Five subscriptions: `mine` of the replica that looks, then `free`, and the rest another's.
    fn leases(mine: usize, free: usize, replicas: usize, is_other_hungry: bool) -> Leases {
        let subscriptions = ALL.iter().enumerate().map(|(place, name)| Leased {
            name: (*name).to_owned(),
            owner: None,
            is_mine: place < mine,
            is_free: (mine..mine + free).contains(&place),
            epoch: Epoch(1),
            position: Position(0),
            version: None,
        });
        Leases {
            replicas,
            is_other_hungry,
            head: Position(0),
            subscriptions: subscriptions.collect(),
        }
    }

    fn decide(balance: &mut Balance, leases: &Leases) -> (usize, usize) {
        let decision = balance.decide(leases, |_, _| true);
        (decision.take.len(), decision.give_back.len())
    }

    #[test]
    fn a_replica_alone_takes_everything() {
        let mut balance = Balance::default();
        assert_eq!(decide(&mut balance, &leases(0, 5, 1, false)), (5, 0));
        assert_eq!(decide(&mut balance, &leases(5, 0, 1, false)), (0, 0));
        assert!(!balance.is_hungry);
    }

    #[test]
    fn a_replica_takes_no_more_than_its_share() {
        assert_eq!(decide(&mut Balance::default(), &leases(0, 5, 2, false)), (3, 0));
        assert_eq!(decide(&mut Balance::default(), &leases(1, 4, 5, false)), (0, 0));
    }

    #[test]
    fn one_that_finds_nothing_is_hungry_and_one_that_has_more_than_the_least_gives_that_back() {
        let mut newcomer = Balance::default();
        assert_eq!(decide(&mut newcomer, &leases(0, 0, 2, false)), (0, 0));
        assert!(newcomer.is_hungry);
        let mut old = Balance::default();
        assert_eq!(decide(&mut old, &leases(5, 0, 2, true)), (0, 3));
        assert_eq!(decide(&mut old, &leases(2, 3, 2, true)), (0, 0), "it is not for itself");
        assert_eq!(decide(&mut newcomer, &leases(0, 3, 2, false)), (3, 0));
        assert!(!newcomer.is_hungry);
    }

    #[test]
    fn nobody_is_hungry_for_a_share_that_there_is_not_enough_for() {
        let mut seventh = Balance::default();
        assert_eq!(decide(&mut seventh, &leases(0, 0, 7, false)), (0, 0));
        assert!(!seventh.is_hungry);
    }

    #[test]
    fn nobody_is_hungry_for_what_he_cannot_do() {
        let mut newer = Balance::default();
        let decision = newer.decide(&leases(1, 0, 2, false), |name, _| name == "a");
        assert_eq!(decision, Decision::default());
        assert!(!newer.is_hungry, "it has the only one that it can do");
    }

    #[test]
    fn not_always_the_same_is_given_back() {
        let mut old = Balance::default();
        let first = old.decide(&leases(5, 0, 2, true), |_, _| true).give_back;
        let second = old.decide(&leases(5, 0, 2, true), |_, _| true).give_back;
        assert_eq!(first, ["c", "d", "e"]);
        assert_eq!(second, ["d", "e", "a"]);
    }

    #[test]
    fn what_nobody_takes_is_taken_beyond_the_share() {
        let mut balance = Balance::default();
        let taken: Vec<_> =
            (0..=PATIENCE).map(|_| decide(&mut balance, &leases(3, 2, 2, false)).0).collect();
        assert_eq!(taken, [0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn what_it_is_not_able_to_do_is_given_back_and_not_taken() {
        let decision = Balance::default()
            .decide(&leases(2, 3, 1, false), |name, _| name != "a" && name != "e");
        assert_eq!(decision.give_back, ["a"]);
        assert_eq!(
            decision.take.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["c", "d"]
        );
    }
}
