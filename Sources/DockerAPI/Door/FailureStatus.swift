internal import BuildKitService
internal import Containers
internal import DockerObjects
internal import Images
internal import OCI
internal import RPC
internal import Registry
internal import Sandboxes

/// The statuses of HTTP that errors are answered with.
enum FailureStatus {
    static func status(of error: any Error) -> Int {
        switch error {
        case let error as DockerAPIError: error.status
        case let error as ContainerError: status(of: error)
        case let error as ImageError: status(of: error)
        case let error as RemoteImageError: status(of: error)
        case let error as RegistryError: status(of: error)
        case let error as CopyError: status(of: error)
        case let error as SandboxError: status(of: error)
        case is OCIError, is FilterError: 400
        case is ProcessTable.Failure: 500
        default: status(of: serviceFailure(error).code)
        }
    }

    private static func status(of code: RPCFailure.Code) -> Int {
        switch code {
        case .invalidArgument: 400
        case .permissionDenied: 403
        case .notFound: 404
        case .alreadyExists: 409
        case .unimplemented: 501
        default: 500
        }
    }

    private static func status(of error: ContainerError) -> Int {
        switch error {
        case .notFound, .volumeNotFound, .notPublished: 404
        case .emptyName, .sameName, .ambiguous, .invalidName, .invalidPort, .invalidMount, .unknownCapability,
            .invalidDetachKeys, .duplicateMountPoint, .invalidWorkingDirectory, .invalidSignal, .noCommand, .portOnIPv6,
            .bindSourceMissing, .mountOverKernelFiles, .invalidVolumeName, .limitsRefused:
            400
        case .nameInUse, .isRunning, .notRunning, .noInput, .alreadyStarted, .volumeInUse: 409
        case .noInit, .notKilled, .noAddressLeft, .noSubnetLeft, .portInUse, .portNeedsRoot, .network, .monitor,
            .cannotRun:
            500
        }
    }

    private static func status(of error: ImageError) -> Int {
        switch error {
        case .noSuchImage, .otherPlatform, .noSuchPlatform: 404
        case .nameInUse, .conflict: 409
        case .ambiguousPrefix, .cannotTag, .invalidFilter, .invalidFilterValue, .invalidPattern: 400
        case .layersDoNotMatch, .invalidArchive, .invalidLayout: 500
        }
    }

    private static func status(of error: RemoteImageError) -> Int {
        switch error {
        case .noMatchingManifest, .onlyOthersHere, .noSource: 404
        case .nothingToPush: 400
        case .nestedTooDeep, .layersDoNotMatch, .unsupportedLayer, .notAnImage, .invalidDocument, .sizeMismatch: 500
        }
    }

    private static func status(of error: RegistryError) -> Int {
        switch error {
        // As the engine does, which does not tell a repository that is missing from one that is not for this user.
        case .accessDenied, .manifestUnknown, .repositoryUnknown, .blobUnknown: 404
        case .credentialsRefused: 401
        case .everyHostFailed(_, _, isMissing: true): 404
        case .invalidURL: 400
        default: 500
        }
    }

    private static func status(of error: CopyError) -> Int {
        switch error {
        case .notFound, .noParentDirectory, .directoryMustExist: 404
        case .cannotCopyDirectory, .notDirectory, .isDevice, .isSocket: 400
        case .rootIsReadOnly, .mountIsReadOnly: 403
        }
    }

    private static func status(of error: SandboxError) -> Int {
        // What the client can mend: there is no such program, or it cannot be executed.
        error.exitCode == 125 ? 500 : 400
    }
}
