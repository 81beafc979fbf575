//! The money of a task: every unit that came in has one named place until it goes out.
//!
//! ```text
//! balance = pool + credits + stakes (active and exiting) + bonds of candidates and disputes
//! ```
//!
//! Bonds are held by the candidates themselves. A burned amount leaves the balance.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::SettleError;
use crate::attest::Address;

/// Money, in the chain's smallest unit.
pub type Amount = u128;

/// Most that is ever held, so that three times any sum is still an [`Amount`].
pub const BALANCE_MAX: Amount = 1 << 120;

/// Where the money of a task is, apart from the bonds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bank {
    /// Everything held.
    pub balance: Amount,
    /// What rewards are paid from.
    pub pool: Amount,
    /// What accounts may withdraw.
    pub credits: BTreeMap<Address, Amount>,
    /// Everything burned so far.
    pub burned: Amount,
    /// Stakes of the attesters.
    pub stakes: BTreeMap<Address, Stake>,
    total: History,
}

/// An attester's stake. Both parts are slashable until they are withdrawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    /// What votes on later commits.
    pub active: Amount,
    /// What is on its way out.
    pub exiting: Amount,
    /// Block from which the exiting part may be withdrawn.
    pub unlock: u64,
    history: History,
}

/// How a slashed amount was split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slash {
    /// Who gave the evidence.
    pub reporter: Address,
    /// The reporter's half, rounded down.
    pub rewarded: Amount,
    /// The burned half, rounded up.
    pub burned: Amount,
}

/// An amount at the end of each block in which it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct History(Vec<(u64, Amount)>);

impl Stake {
    /// What can be slashed.
    pub fn slashable(&self) -> Amount {
        self.active + self.exiting
    }
}

impl Bank {
    /// Everything held apart from the bonds.
    pub fn held(&self) -> Amount {
        self.pool + self.credits.values().sum::<Amount>() + self.stakes.values().map(Stake::slashable).sum::<Amount>()
    }

    /// What an attester's vote weighs: its stake before `block`, as far as it is still here, and in `until`
    /// as well, up to which the vote can be doubted.
    pub fn weight(&self, attester: &Address, block: u64, until: u64) -> Amount {
        let lasts = |stake: &Stake| stake.active + if stake.unlock > until { stake.exiting } else { 0 };
        self.stakes.get(attester).map_or(0, |stake| stake.history.before(block).min(lasts(stake)))
    }

    /// All stake before `block`.
    pub fn total_before(&self, block: u64) -> Amount {
        self.total.before(block)
    }

    pub(super) fn receive(&mut self, amount: Amount) -> Result<(), SettleError> {
        let balance = self.balance.checked_add(amount).filter(|&balance| balance <= BALANCE_MAX);
        self.balance = balance.ok_or(SettleError::TooMuch { most: BALANCE_MAX - self.balance, got: amount })?;
        Ok(())
    }

    pub(super) fn credit(&mut self, account: Address, amount: Amount) {
        *self.credits.entry(account).or_default() += amount;
    }

    pub(super) fn pay_out(&mut self, account: &Address) -> Amount {
        let amount = self.credits.remove(account).unwrap_or(0);
        self.balance -= amount;
        amount
    }

    pub(super) fn slash(&mut self, amount: Amount, reporter: Address) -> Slash {
        let slash = Slash { reporter, rewarded: amount / 2, burned: amount - amount / 2 };
        self.credit(reporter, slash.rewarded);
        self.balance -= slash.burned;
        self.burned += slash.burned;
        slash
    }

    pub(super) fn stake(&mut self, now: u64, attester: Address, amount: Amount) -> Result<(), SettleError> {
        self.receive(amount)?;
        let active = self.stakes.get(&attester).map_or(0, |stake| stake.active);
        self.set_active(now, attester, active + amount);
        Ok(())
    }

    pub(super) fn exit(&mut self, now: u64, attester: Address, unlock: u64) -> Amount {
        let active = self.set_active(now, attester, 0);
        let stake = self.stakes.entry(attester).or_default();
        stake.exiting += active;
        stake.unlock = unlock;
        active
    }

    pub(super) fn unstake(&mut self, attester: Address) -> Amount {
        let amount = self.stakes.get_mut(&attester).map_or(0, |stake| core::mem::take(&mut stake.exiting));
        self.credit(attester, amount);
        amount
    }

    pub(super) fn slash_stake(&mut self, now: u64, attester: Address, reporter: Address) -> Slash {
        let active = self.set_active(now, attester, 0);
        let exiting = self.stakes.get_mut(&attester).map_or(0, |stake| core::mem::take(&mut stake.exiting));
        self.slash(active + exiting, reporter)
    }

    /// Sets an active stake, and returns what it was.
    fn set_active(&mut self, now: u64, attester: Address, amount: Amount) -> Amount {
        let stake = self.stakes.entry(attester).or_default();
        let old = core::mem::replace(&mut stake.active, amount);
        stake.history.set(now, amount);
        let total = self.total.latest() - old + amount;
        self.total.set(now, total);
        old
    }
}

impl History {
    fn latest(&self) -> Amount {
        self.0.last().map_or(0, |&(_, amount)| amount)
    }

    fn before(&self, block: u64) -> Amount {
        let later = self.0.partition_point(|&(at, _)| at < block);
        later.checked_sub(1).and_then(|last| self.0.get(last)).map_or(0, |&(_, amount)| amount)
    }

    fn set(&mut self, block: u64, amount: Amount) {
        match self.0.last_mut() {
            Some(last) if last.0 == block => last.1 = amount,
            _ => self.0.push((block, amount)),
        }
    }
}
