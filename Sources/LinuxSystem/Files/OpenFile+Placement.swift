internal import CLinux

extension OpenFile {
    /// Lets the file system place each directory that is made in this one by itself, with what will be in it, as ext4 can.
    ///
    /// ext4 keeps directories near the one they are made in, so a new tree gets the inodes of an old one that was just removed. Those it
    /// looks at one by one for a minute, five where they were not on the disk yet: to make 10,000 files then takes five times as long.
    ///
    /// Other file systems place them as they like. See ioctl_iflags(2), `FS_TOPDIR_FL`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func keepEntriesApart() { _ = slipway_mark_top_directory(descriptor) }
}
