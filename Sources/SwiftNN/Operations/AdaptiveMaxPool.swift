import CSwiftNN

/// y[p,q] = max over rows floor(p h / P) ..< ceil((p+1) h / P) and columns alike, for 1 to 3 dimensions. NaN wins (the last one), of equal
/// values the first; indices are flat into the volume. Threads: channels of images.
@_cdecl("snn_adaptive_max_pool_forward") @implementation
public func snn_adaptive_max_pool_forward(_ args: UnsafePointer<snn_adaptive_max_pool_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "adaptive_max_pool") == Int32(SNN_FLOAT32) {
            try adaptiveMaxPoolForward(args.pointee, Float.self)
        } else {
            try adaptiveMaxPoolForward(args.pointee, Double.self)
        }
    }
}

private func adaptiveMaxPoolForward<T: Element>(_ a: snn_adaptive_max_pool_forward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "adaptive_max_pool"
    var x = try view(a.x, "input", name, T.self)
    let dims = Int(a.output_size_count)
    guard dims >= 1 && dims <= 3 else {
        throw Message(name).text(": output_size has ").number(dims).text(" numbers; expected 1, 2 or 3").valueError
    }
    _ = try planes(x.shape, dims, name)
    var shape = x.shape.slice(0, x.count - dims)
    for i in 0..<dims {
        let size = Int(a.output_size.unsafelyUnwrapped[i])
        guard size >= -1 && size <= Int(Int32.max) else {
            throw Message(name).text(": output_size is ").number(size).text("; it cannot be negative, nor beyond 2^31").valueError
        }
        shape.append(size == -1 ? x.shape[x.count - dims + i] : size)
    }
    guard shape.isPossible else {
        throw Message(name).text(": the result's shape ").shape(shape).text(" has more elements than can be counted").shapeError
    }
    let hasY = try output(a.y, T.dtype, shape)
    var hasIndices = true
    if a.indices != nil { hasIndices = try output(a.indices, Int32(SNN_INT64), shape) }
    guard hasY && hasIndices else { return }
    let y = a.y.pointee.data(T.self)
    let indices = a.indices?.pointee.data(Int64.self)
    // As (n, c, d, h, w).
    if x.count == dims + 1 { x = x.inserting(at: 0) }
    while x.count < 5 { x = x.inserting(at: 2) }
    func result(_ i: Int) -> Int { i < 3 - dims ? 1 : shape[shape.count - 3 + i] }
    let o = result(0), p = result(1), q = result(2)
    let c = x.shape[1], d = x.shape[2], h = x.shape[3], w = x.shape[4]
    let strides = x.strides, data = x.data
    ThreadPool.run(x.shape[0] * c, threads: ThreadPool.threads(forWork: x.size)) { volume, _ in
        let from = data + (volume / c * strides[0] + volume % c * strides[1])
        var at = volume * o * p * q
        for i in 0..<o {
            let slices = adaptiveWindow(i, d, o)
            for j in 0..<p {
                let rows = adaptiveWindow(j, h, p)
                for k in 0..<q {
                    let columns = adaptiveWindow(k, w, q)
                    var best = -T.infinity
                    var choice = (slices.lowerBound * h + rows.lowerBound) * w + columns.lowerBound
                    for slice in slices {
                        for row in rows {
                            let line = from + (slice * strides[2] + row * strides[3])
                            for column in columns {
                                let v = line[column &* strides[4]]
                                if v > best || v != v {
                                    best = v
                                    choice = (slice * h + row) * w + column
                                }
                            }
                        }
                    }
                    y[at] = best
                    indices?[at] = Int64(choice)
                    at += 1
                }
            }
        }
    }
}

/// What window i of `count` sees of `length` elements.
private func adaptiveWindow(_ i: Int, _ length: Int, _ count: Int) -> Range<Int> {
    i * length / count..<((i + 1) * length + count - 1) / count
}

/// y = 0 but for y[indices] = x, flat in each volume; of equal indices the last one stays. Threads: channels of images.
@_cdecl("snn_max_unpool_forward") @implementation
public func snn_max_unpool_forward(_ args: UnsafePointer<snn_max_unpool_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "max_unpool") == Int32(SNN_FLOAT32) {
            try maxUnpoolForward(args.pointee, Float.self)
        } else {
            try maxUnpoolForward(args.pointee, Double.self)
        }
    }
}

/// Throws where an index does not lie in a volume of `size` elements. As in PyTorch, none is looked at where there is no element.
private func requireInside(_ indices: ArrayView<Int64>, _ size: Int, _ name: StaticString) throws(Failure) {
    if size == 0 { return }
    let inOrder = indices.isContiguous
    for i in 0..<indices.size {
        let index = indices.data[inOrder ? i : indices.offset(i, dims: indices.count)]
        guard index >= 0 && index < Int64(size) else {
            throw Message(name).text(": indices has ").number(Int(index)).text("; expected 0 <= index < ").number(size)
                .text(", the number of places in a plane of the result").indexError
        }
    }
}

private func maxUnpoolForward<T: Element>(_ a: snn_max_unpool_forward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "max_unpool"
    let x = try view(a.x, "input", name, T.self)
    let indices = try indexView(a.indices, "indices", name)
    let dims = Int(a.output_size_count)
    guard dims >= 1 && dims <= 3 else {
        throw Message(name).text(": output_size has ").number(dims).text(" numbers; expected 1, 2 or 3").valueError
    }
    let given = try planes(x.shape, dims, name)
    try require(indices, x.shape, "indices", name)
    let last = try sizes(a.output_size, a.output_size_count, "output_size", name)
    var shape = x.shape.slice(0, x.count - dims)
    for i in 0..<dims { shape.append(last[i]) }
    guard shape.isPossible else {
        throw Message(name).text(": the result's shape ").shape(shape).text(" has more elements than can be counted").shapeError
    }
    guard try output(a.y, T.dtype, shape) else { return }
    let size = last.size, windows = given[2] * given[3]
    try requireInside(indices, size, name)
    let y = a.y.pointee.data(T.self)
    let values = try Contiguous(x)
    defer { values.release() }
    let inOrder = indices.isContiguous
    ThreadPool.run(given[0] * given[1], threads: ThreadPool.threads(forWork: shape.size + x.size)) { volume, _ in
        let to = y + volume * size
        memset(to, 0, size * MemoryLayout<T>.stride)
        for i in (volume * windows)..<((volume + 1) * windows) {
            let at = Int(indices.data[inOrder ? i : indices.offset(i, dims: indices.count)])
            // Another thread may have changed the array since the check.
            if UInt(bitPattern: at) < UInt(bitPattern: size) { to[at] = values.data[i] }
        }
    }
}

/// Of y[indices] = x: dx = dy[indices]. Threads: channels of images.
@_cdecl("snn_max_unpool_backward") @implementation
public func snn_max_unpool_backward(_ args: UnsafePointer<snn_max_unpool_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "max_unpool_backward") == Int32(SNN_FLOAT32) {
            try maxUnpoolBackward(args.pointee, Float.self)
        } else {
            try maxUnpoolBackward(args.pointee, Double.self)
        }
    }
}

private func maxUnpoolBackward<T: Element>(_ a: snn_max_unpool_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "max_unpool_backward"
    let dy = try view(a.dy, "dy", name, T.self)
    let indices = try indexView(a.indices, "indices", name)
    let dims = Int(a.output_size_count)
    guard dims >= 1 && dims <= 3 else {
        throw Message(name).text(": output_size has ").number(dims).text(" numbers; expected 1, 2 or 3").valueError
    }
    let given = try planes(indices.shape, dims, name)
    let last = try sizes(a.output_size, a.output_size_count, "output_size", name)
    var shape = indices.shape.slice(0, indices.count - dims)
    for i in 0..<dims { shape.append(last[i]) }
    try require(dy, shape, "dy", name)
    guard try output(a.dx, T.dtype, indices.shape) else { return }
    let size = last.size, windows = given[2] * given[3]
    try requireInside(indices, size, name)
    let dx = a.dx.pointee.data(T.self)
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let inOrder = indices.isContiguous
    ThreadPool.run(given[0] * given[1], threads: ThreadPool.threads(forWork: indices.size)) { volume, _ in
        for i in (volume * windows)..<((volume + 1) * windows) {
            let at = Int(indices.data[inOrder ? i : indices.offset(i, dims: indices.count)])
            dx[i] = UInt(bitPattern: at) < UInt(bitPattern: size) ? gradient.data[volume * size + at] : 0
        }
    }
}
