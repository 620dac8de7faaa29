//! Brokers, groups and queues under test.

mod client; // producers and members
mod cluster; // a whole cluster in one place, with mail that is late or lost
mod crashes; // what a power cut takes
mod explorer; // random walks through a cluster, and the defects they find
mod groups; // stories of consumer groups
mod logs; // stories and laws of one log
mod queue_laws; // random walks through a queue, beside a dumber one
mod queues; // stories of queues
mod replication; // stories of leaders and followers
