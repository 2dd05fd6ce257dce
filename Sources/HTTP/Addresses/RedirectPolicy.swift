/// Decides where a redirect leads and whether the credentials for the first address go with it.
package struct RedirectPolicy: Sendable {
    /// How many redirects one request may go through.
    package static let maximum = 5

    /// The address that the request is for.
    package let origin: HTTPURL

    package init(origin: HTTPURL) { self.origin = origin }

    /// The target of a redirect or of an upload's `Location`.
    /// - Parameters:
    ///   - url: what was asked for.
    ///   - location: the header's value.
    /// - Returns: the address, and whether it has the same origin, so that credentials and client certificates go with it.
    /// - Throws: `HTTPError.unsafeRedirect` for a downgrade to plain HTTP or a way into a private network.
    package func follow(from url: HTTPURL, location: String) throws(HTTPError) -> (url: HTTPURL, isOrigin: Bool) {
        func refuse(_ reason: String) -> HTTPError {
            .unsafeRedirect(from: url.redacted, to: String(location.prefix { $0 != "?" }), reason: reason)
        }
        let next: HTTPURL
        do throws(HTTPError) { next = try url.resolving(location: location) } catch {
            throw refuse("the address is not valid")
        }
        if next.hasSameOrigin(as: origin) { return (next, true) }
        if url.scheme == .https, next.scheme == .http { throw refuse("it leads from https to plain http") }
        let reach = HostPolicy.reach(of: next.host)
        if reach != .open, HostPolicy.reach(of: origin.host) == .open {
            throw refuse("it leads to an address of this machine or of a private network")
        }
        return (next, false)
    }
}
