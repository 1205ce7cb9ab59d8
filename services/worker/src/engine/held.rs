//! The jobs that this process holds.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use firemode_storage::jobs::{Hold, Renewed};
use tokio::sync::Notify;

use super::Task;

/// What somebody else has said about a job that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Stop: nobody wants it any more.
    Cancel,
    /// Stop: somebody else holds it.
    Lose,
    /// Stop, so that somebody else can go on.
    GiveBack,
}

/// The jobs that this process holds.
#[derive(Debug, Default)]
pub(super) struct HeldJobs {
    by_hold: RefCell<HashMap<Hold, Held>>,
    has_ended: Notify,
}

#[derive(Debug)]
struct Held {
    lane: &'static str,
    task: Rc<Task>,
    orders: Rc<Orders>,
}

/// The way of an order to the job that it is about.
#[derive(Debug, Default)]
pub(super) struct Orders {
    first: Cell<Option<Order>>,
    has_come: Notify,
}

impl HeldJobs {
    pub(super) fn add(&self, lane: &'static str, task: &Rc<Task>) -> Rc<Orders> {
        let orders = Rc::new(Orders::default());
        let held = Held { lane, task: Rc::clone(task), orders: Rc::clone(&orders) };
        self.by_hold.borrow_mut().insert(task.hold(), held);
        orders
    }

    pub(super) fn remove(&self, hold: Hold) {
        self.by_hold.borrow_mut().remove(&hold);
        self.has_ended.notify_waiters();
    }

    pub(super) fn in_lane(&self, lane: &str) -> usize {
        self.by_hold.borrow().values().filter(|held| held.lane == lane).count()
    }

    /// Every hold, and how far its job is.
    pub(super) fn all(&self) -> Vec<(Hold, f32)> {
        self.by_hold.borrow().iter().map(|(hold, held)| (*hold, held.task.progress.get())).collect()
    }

    /// Waits for the end of any job.
    pub(super) async fn ended(&self) {
        self.has_ended.notified().await;
    }

    /// Passes on what the database says to those whose renewal was asked for.
    pub(super) fn compare(&self, asked: &[(Hold, f32)], renewed: &[Renewed]) {
        for (hold, _) in asked {
            match renewed.iter().find(|renewed| renewed.hold == *hold) {
                Some(renewed) if !renewed.is_cancel_asked => {}
                Some(_) => self.order(*hold, Order::Cancel),
                None => self.order(*hold, Order::Lose),
            }
        }
    }

    pub(super) fn order_all(&self, order: Order) {
        self.all().into_iter().for_each(|(hold, _)| self.order(hold, order));
    }

    fn order(&self, hold: Hold, order: Order) {
        if let Some(held) = self.by_hold.borrow().get(&hold)
            && held.orders.first.get().is_none()
        {
            held.orders.first.set(Some(order));
            held.orders.has_come.notify_one();
        }
    }
}

impl Orders {
    /// Waits for the first order.
    pub(super) async fn next(&self) -> Order {
        loop {
            if let Some(order) = self.first.get() {
                return order;
            }
            self.has_come.notified().await;
        }
    }
}
