//! What operators ask for over the control socket, on its way to the machine and back.

use firemode_runtime::control::Request;

use super::EventLoop;
use crate::effects::control::ReplyTo;
use crate::effects::executable::Executable;
use crate::machine::{Command, Event};
use crate::spec::ChildSpec;
use crate::status_board::Pids;

impl EventLoop {
    pub(super) fn requested(&mut self, request: Request, reply: ReplyTo) {
        let command = match request {
            Request::Status => {
                self.measure_usage();
                let status = serde_json::to_string(&self.status_board.status(&self.pids()));
                let _ = reply.try_send(
                    status.map(|status| (String::new(), status)).map_err(|error| error.to_string()),
                );
                return;
            }
            Request::Metrics => {
                self.measure_usage();
                let metrics = self.status_board.metrics(&self.pids());
                let _ = reply.try_send(Ok((String::new(), metrics)));
                return;
            }
            Request::Restart { name } => self.to_restart(&name).map(Command::Restart),
            Request::Stop { name } => self.child_named(&name).map(Command::Stop),
            Request::Start { name } => self.child_named(&name).map(Command::Start),
            Request::Reload => Ok(Command::Reload),
            Request::Logs { .. } => Err("log lines are answered elsewhere".to_owned()),
        };
        self.requests += 1;
        let id = self.requests;
        let begun = command.and_then(|command| {
            tracing::info!(?command, "asked by an operator");
            self.waiting.insert(id, reply.clone());
            match command {
                Command::Reload => self.reload(Some(id)),
                command => {
                    self.feed(Event::Commanded { id: Some(id), command });
                    Ok(())
                }
            }
        });
        if let Err(reason) = begun {
            self.waiting.remove(&id);
            let _ = reply.try_send(Err(reason));
        }
    }

    /// Begins a reload with the executable that lies at its path now.
    pub(super) fn reload(&mut self, id: Option<u64>) -> Result<(), String> {
        // A running reload keeps its candidate; the machine refuses the second one.
        if self.candidate.is_none() {
            self.candidate = Some(Executable::at(&self.executable_path)?);
            self.systemd.say_reloading();
        }
        self.feed(Event::Commanded { id, command: Command::Reload });
        Ok(())
    }

    fn child_named(&self, name: &str) -> Result<usize, String> {
        let position = self.table.iter().position(|spec| spec.name == name);
        position.ok_or_else(|| format!("there is no child {name}; there are {}", self.names(|_| true)))
    }

    fn to_restart(&self, name: &str) -> Result<usize, String> {
        let index = self.child_named(name)?;
        if self.table[index].once {
            let others = self.names(|spec| !spec.once);
            return Err(format!("{name} does its work once and for all; what can be restarted: {others}"));
        }
        Ok(index)
    }

    fn names(&self, which: impl Fn(&ChildSpec) -> bool) -> String {
        let names: Vec<_> = self.table.iter().filter(|spec| which(spec)).map(|spec| spec.name).collect();
        names.join(", ")
    }

    fn pids(&self) -> Vec<Pids> {
        let mut pids = vec![Pids::default(); self.table.len()];
        for (run, process) in &self.processes {
            let of_child = &mut pids[run.child];
            let is_present = self.machine.present(run.child) == *run;
            let place = if is_present { &mut of_child.present } else { &mut of_child.other };
            *place = Some(process.pid.as_raw());
        }
        pids
    }
}
