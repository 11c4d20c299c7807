//! `timed wallet history`: what came to wallets and went from them, with what they owned after each.

use serde::Serialize;

use super::{
    args::{Owners, Question},
    client::{block_on, client},
    failure::{Code, Failure},
    output,
    replay::utc,
    wallet,
};
use crate::{
    chain::Amount,
    control::{BalanceView, HISTORY_ADDRESSES_MAX, HistoryEntry, HistoryPlace, Page},
    rpc::client::Client,
};

/// How often balances are asked for again because a block became final between two of them.
const ATTEMPTS_MAX: usize = 20;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    #[serde(flatten)]
    entry: HistoryEntry,
    /// What was owned after it; `None` from the first line on whose worth is not known.
    balance: Option<u64>,
}

/// What is shown.
#[derive(Debug, Serialize)]
struct Shown {
    schema: u32,
    addresses: Vec<String>,
    /// The height that the newest line can be of.
    height: u64,
    /// What is owned at that height.
    balance: u64,
    /// What waiting transactions spend of it, and pay to it.
    pending_out: u64,
    pending_in: u64,
    /// Lowest height that the node can tell of.
    begins: u64,
    /// Whether there is more behind these lines.
    has_more: bool,
    entries: Vec<Line>,
}

pub(super) fn history(
    question: &Question,
    owners: &Owners,
    skip: usize,
    limit: usize,
) -> Result<(), Failure> {
    let client = client(&question.asked)?;
    let shown = block_on(async {
        let addresses = wallet::whose(&client, owners, &question.asked.place).await?;
        if addresses.len() > HISTORY_ADDRESSES_MAX {
            return Err(Failure::new(
                Code::Argument,
                format!("a history is of at most {HISTORY_ADDRESSES_MAX} addresses; ask in parts"),
            ));
        }
        let total = settled(&client, &addresses).await?;
        read(&client, addresses, &total, skip, limit).await
    })?;
    match question.json {
        true => output::json(&shown),
        false => show(&shown),
    }
}

/// What is owned, all of it at one height.
async fn settled(client: &Client, addresses: &[String]) -> Result<BalanceView, Failure> {
    for _ in 0..ATTEMPTS_MAX {
        let mut balances = Vec::new();
        for address in addresses {
            balances.push(client.balance(address).await?);
        }
        let total = wallet::total(&balances);
        if balances.iter().all(|balance| balance.height == total.height) {
            return Ok(total);
        }
    }
    Err(Failure::new(
        Code::Refused,
        "blocks become final faster than the balances of all addresses can be read; name fewer addresses",
    ))
}

/// Asks from the height of `total` downwards until enough is there. Every line counts towards the
/// balances below it, so those that are left out are read too.
async fn read(
    client: &Client,
    addresses: Vec<String>,
    total: &BalanceView,
    skip: usize,
    limit: usize,
) -> Result<Shown, Failure> {
    let first = HistoryPlace {
        height: total.height,
        position: u32::MAX,
    };
    let mut before = Some(first.to_string());
    let mut running = Running(Some(total.amount));
    let (mut entries, mut begins, mut seen) = (Vec::new(), 1, 0);
    let mut has_more = false;
    while let (Some(from), false) = (&before, has_more) {
        let page = client.history(&addresses, Some(from), Page::LIMIT_MAX).await?;
        begins = page.begins;
        for entry in page.entries {
            if entries.len() == limit && seen >= skip {
                has_more = true;
                break;
            }
            let balance = running.after(&entry);
            seen += 1;
            if seen > skip {
                entries.push(Line { entry, balance });
            }
        }
        before = page.next;
    }
    Ok(Shown {
        schema: 1,
        addresses,
        height: total.height,
        balance: total.amount,
        pending_out: total.pending_out,
        pending_in: total.pending_in,
        begins,
        has_more,
        entries,
    })
}

/// What was owned, going back in time; `None` once a line tells not enough.
struct Running(Option<u64>);

impl Running {
    /// What was owned after `entry`; then stands before it.
    fn after(&mut self, entry: &HistoryEntry) -> Option<u64> {
        let after = self.0;
        self.0 = after.zip(entry.spent).and_then(|(after, spent)| {
            // First back what it spent: it may have spent more than it brought.
            after.checked_add(spent)?.checked_sub(entry.received)
        });
        after
    }
}

fn show(shown: &Shown) -> Result<(), Failure> {
    output::line(&format!(
        "{} TIME at height {}",
        Amount::from_units(shown.balance),
        shown.height
    ))?;
    if shown.pending_out > 0 || shown.pending_in > 0 {
        output::line(&format!(
            "waiting transactions spend {} TIME and pay {} TIME to it",
            Amount::from_units(shown.pending_out),
            Amount::from_units(shown.pending_in)
        ))?;
    }
    for line in &shown.entries {
        output::line(&text(line))?;
    }
    if shown.has_more {
        output::diagnostic("there is more: --skip and --limit choose the part");
    } else if shown.begins > 1 {
        output::diagnostic(&format!(
            "this node knows no blocks below height {}: it began with a snapshot; ask one that has them all",
            shown.begins
        ));
    }
    Ok(())
}

fn text(line: &Line) -> String {
    let HistoryEntry {
        txid,
        kind,
        height,
        timestamp_ms,
        received,
        spent,
        fee,
    } = &line.entry;
    let change = match spent {
        None => format!("+{} -?", Amount::from_units(*received)),
        Some(spent) if received >= spent => format!("+{}", Amount::from_units(received - spent)),
        Some(spent) => format!("-{}", Amount::from_units(spent - received)),
    };
    let after = line
        .balance
        .map_or_else(|| "?".to_owned(), |units| Amount::from_units(units).to_string());
    let fee = fee.map_or_else(String::new, |units| {
        format!("  fee {}", Amount::from_units(units))
    });
    format!(
        "{}  height {height:>8}  {change:>20}  {after:>20}  {kind:<10}  {txid}{fee}",
        utc(*timestamp_ms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Hash256;

    fn entry(received: u64, spent: Option<u64>) -> HistoryEntry {
        HistoryEntry {
            txid: Hash256::ZERO,
            kind: "transfer".to_owned(),
            height: 7,
            timestamp_ms: 1_795_565_400_000,
            received,
            spent,
            fee: None,
        }
    }

    #[test]
    fn balances_run_back_from_what_is_owned_until_a_line_does_not_tell() {
        let mut running = Running(Some(70));
        // 100 came, then 60 were spent of which 30 came back.
        assert_eq!(running.after(&entry(30, Some(60))), Some(70));
        assert_eq!(running.after(&entry(100, Some(0))), Some(100));
        assert_eq!(running.after(&entry(5, None)), Some(0));
        assert_eq!(running.after(&entry(5, Some(0))), None);
    }

    #[test]
    fn a_line_says_what_changed_and_what_was_owned_after_it() {
        let line = |received, spent, balance| {
            text(&Line {
                entry: entry(received, spent),
                balance,
            })
        };
        let came = line(250_000_000, Some(0), Some(250_000_000));
        assert!(
            came.starts_with("2026-11-25 00:10:00Z  height        7"),
            "{came}"
        );
        assert!(came.contains("+2.5") && !came.contains('?'), "{came}");
        assert!(line(1, Some(200_000_000), None).contains("-1.99999999"));
        assert!(line(100_000_000, None, None).contains("+1 -?"));
    }
}
