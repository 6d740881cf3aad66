//! Every kind of fault in a bank file is named.
