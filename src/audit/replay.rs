//! Reading the lines of a log back, in order.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::error::AuditError;
use super::transaction;
use crate::core::record::Record;

/// Hands every record of the file `data` to `fold`.
pub(super) fn fold(data: &Path, mut fold: impl FnMut(Record)) -> Result<(), AuditError> {
    let file = File::open(data).map_err(AuditError::io("open", data))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    let mut offset = 0;
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(AuditError::io("read", data))?;
        if length == 0 {
            return Ok(());
        }
        let record = transaction::decode(&line).map_err(|reason| AuditError::ForeignLine {
            path: data.to_owned(),
            offset,
            reason,
            mend: "if a newer tightrope wrote it, run that one; else `tightrope audit verify` \
                   tells whether it is damaged, and a copy of the folder must be put back"
                .to_owned(),
        })?;
        fold(record);
        offset += length as u64;
    }
}
