//! Dense ids: positions in the lists of a plan.

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in the plan's list.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

dense_id!(
    /// A service: index into [`Plan::services`].
    ServiceId
);
dense_id!(
    /// A load: index into [`Plan::loads`].
    LoadId
);
dense_id!(
    /// An operation name: index into [`Plan::operations`].
    OperationId
);
dense_id!(
    /// One call entry of one caller: index into [`Plan::edges`].
    EdgeId
);
dense_id!(
    /// A directed link between two parties: index into [`Plan::links`].
    LinkId
);
dense_id!(
    /// A host: index into [`Plan::hosts`].
    HostId
);
dense_id!(
    /// A timeline entry: index into [`Plan::timeline`].
    EntryId
);
