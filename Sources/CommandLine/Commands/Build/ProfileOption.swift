internal import Terminal
internal import Text

/// `--profile`: where the profile of a build goes.
///
/// The end of the name says in which form.
struct ProfileOption: Sendable, Hashable {
    /// Takes what makes the profile of a build once the build is over; nil for a build that left nothing to make it of.
    typealias Taker = @Sendable (_ profile: () -> BuildProfile?) -> Void

    enum Form: String, Sendable, CaseIterable {
        /// For people.
        case page = ".html"
        /// For programs that show traces in Chrome's format.
        case trace = ".json"
    }

    let path: [UInt8]
    let form: Form

    init(parsing bytes: [UInt8]) throws(FlagValueError) {
        let name = bytes.asciiLowercased
        let form = Form.allCases.first { form in
            // A file named `.html` has no extension.
            name.count > form.rawValue.utf8.count
                && name.suffix(form.rawValue.utf8.count).elementsEqual(form.rawValue.utf8)
                && name[name.count - form.rawValue.utf8.count - 1] != "/"
        }
        guard let form else {
            throw FlagValueError("it must end in .html, for a page, or in .json, for a Chrome trace")
        }
        path = bytes
        self.form = form
    }
}
