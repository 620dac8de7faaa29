//! Providers that remember what they did by the operation's name, networks that lose what they say, and merchants who
//! ask again with the same key until they know. Asks for the invariants after every step.

use super::*;
use crate::payment::audit::audit;
use crate::payment::processor::Sabotage;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a provider's word travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Travel {
    /// As the answer only.
    Answer,
    /// As the answer, then as a webhook, twice.
    AnswerThenWebhooks,
    /// As a webhook before the answer.
    WebhookThenAnswer,
    /// As a webhook only: the answer is lost.
    WebhookOnly,
    /// Not at all: it has to be asked for.
    Silence,
    /// The request itself is lost the first time.
    RequestLost,
    /// Not even if asked for: only the settlement file tells.
    FileOnly,
}

/// What a provider does with an operation, by its kind.
pub(super) type Script = fn(OperationKind, i64) -> Outcome;

pub(super) fn approve(_: OperationKind, minor: i64) -> Outcome {
    Outcome::Succeeded { minor }
}

pub(super) struct Provider {
    pub(super) script: Script,
    pub(super) done: BTreeMap<OperationId, (OperationKind, Outcome)>,
    lost_once: BTreeSet<OperationId>,
    /// Taken from payers less given back.
    pub(super) taken_minor: i64,
    next_event: u64,
}

impl Provider {
    fn execute(&mut self, id: OperationId, kind: OperationKind, minor: i64) -> Outcome {
        if let Some((_, outcome)) = self.done.get(&id) {
            return *outcome;
        }
        let outcome = (self.script)(kind, minor);
        if let Outcome::Succeeded { minor } = outcome {
            match kind {
                OperationKind::Sale | OperationKind::Capture { .. } => self.taken_minor += minor,
                OperationKind::Refund { .. } => self.taken_minor -= minor,
                OperationKind::Authorize | OperationKind::Void { .. } => {}
            }
        }
        self.done.insert(id, (kind, outcome));
        outcome
    }
}

enum Word {
    Answer(OperationId, Outcome),
    Webhook(ProviderId, ProviderEvent),
}

pub(super) struct World<S> {
    pub(super) processor: Processor<S>,
    pub(super) now: Time,
    pub(super) providers: BTreeMap<ProviderId, Provider>,
    pub(super) travel: Travel,
    words: VecDeque<Word>,
    outputs: VecDeque<Output>,
    pub(super) answers: BTreeMap<RequestId, Answer>,
    pub(super) notices: Vec<Notice>,
    next_request: u64,
    /// Outputs carried out so far.
    pub(super) carried: u64,
    /// Stop carrying out outputs after so many: the process dies there.
    pub(super) dies_after: Option<u64>,
    pub(super) has_died: bool,
    pub(super) violations: BTreeSet<String>,
    pub(super) statuses_sent: u64,
    /// Payments that were put away, as they were last.
    pub(super) archive: Vec<Intent>,
    /// What the balances were before the last step.
    sums: DebitsAndCredits,
}

pub(super) fn config() -> ProcessorConfig {
    ProcessorConfig { fees: FeeConfig { share_ppm: 20_000, fixed_minor: 3 }, ..ProcessorConfig::default() }
}

pub(super) fn secrets() -> WebhookSecrets {
    WebhookSecrets::new("whsec_test")
}

pub(super) fn opened<S: Store>(store: S, config: ProcessorConfig) -> Processor<S> {
    let policies = Policies::in_order([FIRST, SECOND]);
    let processor = Processor::open(store, config, policies).expect("the config is in range");
    processor.with_webhook(FIRST, secrets()).with_webhook(SECOND, secrets())
}

impl World<MemoryStore> {
    pub(super) fn new(travel: Travel) -> World<MemoryStore> {
        World::over(opened(MemoryStore::new(), config()), travel)
    }

    pub(super) fn broken(travel: Travel, sabotage: Sabotage) -> World<MemoryStore> {
        World::over(opened(MemoryStore::new(), config()).sabotaged(sabotage), travel)
    }
}

impl<S: Store> World<S> {
    pub(super) fn over(processor: Processor<S>, travel: Travel) -> World<S> {
        let provider = |number| {
            let lost_once = BTreeSet::new();
            let done = BTreeMap::new();
            (ProviderId(number), Provider { script: approve, done, lost_once, taken_minor: 0, next_event: 1 })
        };
        World {
            archive: Vec::new(),
            sums: DebitsAndCredits::read(processor.store()),
            processor,
            now: Time::ZERO + Span::from_secs(1_000),
            providers: BTreeMap::from([provider(1), provider(2)]),
            travel,
            words: VecDeque::new(),
            outputs: VecDeque::new(),
            answers: BTreeMap::new(),
            notices: Vec::new(),
            next_request: 0,
            carried: 0,
            dies_after: None,
            has_died: false,
            violations: BTreeSet::new(),
            statuses_sent: 0,
        }
    }

    fn provider(&mut self, id: ProviderId) -> &mut Provider {
        self.providers.get_mut(&id).expect("there are two providers")
    }

    pub(super) fn taken_minor(&self) -> i64 {
        self.providers.values().map(|provider| provider.taken_minor).sum()
    }

    /// The process comes back from what its store kept. What it had in memory is gone, and so are words on their way
    /// to it.
    pub(super) fn restarted(mut self, open: impl FnOnce(S) -> Processor<S>) -> World<S> {
        self.words.clear();
        self.outputs.clear();
        let processor = open(self.processor.into_store());
        let sums = DebitsAndCredits::read(processor.store());
        World { processor, sums, dies_after: None, has_died: false, ..self }
    }

    pub(super) fn input(&mut self, input: Input<'_>) -> Result<(), Rejected> {
        let mut out = Vec::new();
        self.sums = DebitsAndCredits::read(self.processor.store());
        let result = self.processor.handle(self.now, input, &mut out);
        self.outputs.extend(out);
        self.has_died |= matches!(result, Err(Rejected::Store(_)));
        self.watch();
        result
    }

    fn watch(&mut self) {
        for violation in audit(self.processor.store()) {
            let text = violation.to_string();
            let name: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
            self.violations.insert(name);
        }
        self.sums.follow(self.processor.store(), self.processor.changed_balances());
        if self.sums != DebitsAndCredits::read(self.processor.store()) {
            self.violations.insert("balances changed that were not named".to_string());
        }
    }

    pub(super) fn assert_clean(&self) {
        assert!(self.violations.is_empty(), "{:?}", self.violations);
    }

    fn speak(&mut self, provider: ProviderId, id: OperationId, outcome: Outcome) {
        let number = self.provider(provider).next_event;
        self.provider(provider).next_event += 1;
        let event = ProviderEvent { id: number, subject: EventSubject::Operation { operation: id, outcome } };
        let (answer, webhook) = (Word::Answer(id, outcome), |event| Word::Webhook(provider, event));
        match self.travel {
            Travel::Answer | Travel::RequestLost => self.words.push_back(answer),
            Travel::AnswerThenWebhooks => self.words.extend([answer, webhook(event), webhook(event)]),
            Travel::WebhookThenAnswer => self.words.extend([webhook(event), answer]),
            Travel::WebhookOnly => self.words.push_back(webhook(event)),
            Travel::Silence | Travel::FileOnly => {}
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Answer { request, answer } => drop(self.answers.insert(request, answer)),
            Output::Notice(notice) => self.notices.push(notice),
            Output::Archive(intent) => self.archive.push(*intent),
            Output::Send { provider, order: Order::Execute { operation, kind, amount, .. } } => {
                let is_lost = self.travel == Travel::RequestLost;
                if is_lost && self.provider(provider).lost_once.insert(operation) {
                    return;
                }
                let outcome = self.provider(provider).execute(operation, kind, amount.minor);
                self.speak(provider, operation, outcome);
            }
            Output::Send { provider, order: Order::Status { operation } } => {
                self.statuses_sent += 1;
                let known = self.provider(provider).done.get(&operation).map(|(_, outcome)| *outcome);
                if self.travel != Travel::FileOnly {
                    self.words.push_back(Word::Answer(operation, known.unwrap_or(Outcome::NotFound)));
                }
            }
        }
    }

    /// Carries out and delivers everything that is there now.
    pub(super) fn pump(&mut self) {
        loop {
            if self.has_died || self.dies_after.is_some_and(|most| self.carried >= most) {
                self.has_died = true;
                return;
            }
            if let Some(output) = self.outputs.pop_front() {
                self.carried += 1;
                self.carry_out(output);
            } else if let Some(word) = self.words.pop_front() {
                let _ = match word {
                    Word::Answer(operation, outcome) => self.input(Input::Word { operation, outcome }),
                    Word::Webhook(provider, event) => self.deliver(provider, &event),
                };
            } else {
                return;
            }
        }
    }

    pub(super) fn deliver(&mut self, provider: ProviderId, event: &ProviderEvent) -> Result<(), Rejected> {
        let body = event.encode();
        let signature = secrets().sign(self.now, &body);
        self.input(Input::Webhook(Delivery { provider, signature: &signature, body: &body }))
    }

    /// Goes on in time, through all that is due.
    pub(super) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        self.pump();
        while let Some(due) = self.processor.deadline().filter(|due| *due <= until && !self.has_died) {
            self.now = self.now.max(due);
            let mut out = Vec::new();
            self.sums = DebitsAndCredits::read(self.processor.store());
            let expired = self.processor.expire(self.now, &mut out);
            self.outputs.extend(out);
            self.has_died |= expired.is_err();
            self.watch();
            self.pump();
        }
        self.now = until;
    }

    /// Sends a request, once, and lets the world settle for a moment.
    pub(super) fn send(&mut self, key: &str, command: Command) -> Option<Answer> {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        let _ = self.input(Input::Request(Request { id, key: Some(key.to_string()), command }));
        self.pass(Span::from_millis(10));
        self.answers.get(&id).copied()
    }

    /// Sends a request with the same key until the answer is final.
    pub(super) fn ask(&mut self, key: &str, command: &Command) -> Option<Answer> {
        for _ in 0..60 {
            let answer = self.send(key, command.clone());
            if self.has_died {
                return None;
            }
            let is_final = |answer: &Answer| answer.status != 202 && answer.status != 409;
            if let Some(answer) = answer.filter(is_final) {
                return Some(answer);
            }
            self.pass(Span::from_secs(20));
        }
        None
    }

    pub(super) fn create(&mut self, minor: i64, capture: CaptureMethod) -> IntentId {
        let number = self.next_request;
        let command = Command::Create { merchant: 5, payer: 9, amount: rupees(minor), capture };
        let answer = self.ask(&format!("create {number}"), &command).expect("it is answered");
        answer.intent.expect("it was made").id
    }

    pub(super) fn confirm(&mut self, intent: IntentId) -> Option<Answer> {
        let key = format!("confirm {} {}", intent.0, self.next_request);
        self.ask(&key, &Command::Confirm { intent, instrument: card(), needs_authentication: false })
    }

    pub(super) fn command(&mut self, command: &Command) -> Answer {
        let key = format!("command {}", self.next_request);
        self.ask(&key, command).expect("it is answered")
    }

    pub(super) fn intent(&self, id: IntentId) -> Intent {
        self.processor.intent(id).expect("it was made")
    }

    pub(super) fn state(&self, id: IntentId) -> AttemptState {
        self.intent(id).attempts.last().expect("it was tried").state
    }

    /// What the books say providers hold for us.
    pub(super) fn booked_minor(&self) -> i128 {
        let books = Books::read(self.processor.store());
        let held = |provider| books.balance(Account::Provider(provider), Currency::INR).net();
        held(FIRST) + held(SECOND) + books.balance(Account::Bank, Currency::INR).net()
    }
}
