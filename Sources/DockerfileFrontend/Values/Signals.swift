internal import Text

/// Whether STOPSIGNAL may hold this: a number other than 0, or the name of a Linux signal with or without `SIG`.
func isSignal(_ text: String) -> Bool {
    if let number = Int(text) { return number != 0 }
    return SignalNames.number(of: text) != nil
}
