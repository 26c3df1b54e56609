import CSwiftNN

/// y = a + b, a - b, a b or a / b, with broadcasting. Threads: rows and pieces of rows.
@_cdecl("snn_combine_forward") @implementation
public func snn_combine_forward(_ args: UnsafePointer<snn_combine_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.a, "combine") == Int32(SNN_FLOAT32) {
            try combineForward(args.pointee, Float.self)
        } else {
            try combineForward(args.pointee, Double.self)
        }
    }
}

private func combineForward<T: Element>(_ args: snn_combine_forward_args, _: T.Type) throws(Failure) {
    let a = try view(args.a, "a", "combine", T.self), b = try view(args.b, "b", "combine", T.self)
    guard args.kind >= 0 && args.kind <= Int64(SNN_DIVIDE) else { throw Message("combine: unknown kind").valueError }
    let count = max(a.count, b.count)
    // Both with as many dimensions, those that are repeated with a stride of 0; neighbours that lie in one run in both are merged.
    var result = Shape(), shape = Shape(), strides = (a: Shape(), b: Shape())
    for i in 0..<count {
        let i = (a: i - count + a.count, b: i - count + b.count)
        let n = (a: i.a < 0 ? 1 : a.shape[i.a], b: i.b < 0 ? 1 : b.shape[i.b])
        guard n.a == n.b || n.a == 1 || n.b == 1 else {
            throw Message("combine: shapes ").shape(a.shape).text(" and ").shape(b.shape).text(" do not broadcast").shapeError
        }
        let size = n.a == 1 ? n.b : n.a
        result.append(size)
        if size == 1 { continue }
        let step = (a: n.a == 1 ? 0 : a.strides[i.a], b: n.b == 1 ? 0 : b.strides[i.b]), last = shape.count - 1
        if last >= 0 && strides.a[last] == step.a &* size && strides.b[last] == step.b &* size {
            shape[last] = shape[last] &* size
            (strides.a[last], strides.b[last]) = (step.a, step.b)
        } else {
            shape.append(size)
            strides.a.append(step.a)
            strides.b.append(step.b)
        }
    }
    guard result.isPossible else {
        throw Message("combine: shapes ").shape(a.shape).text(" and ").shape(b.shape).text(" give more elements than can be counted")
            .shapeError
    }
    guard try output(args.y, T.dtype, result), result.size > 0 else { return }
    let y = args.y.pointee.data(T.self), total = result.size
    let outer = max(shape.count - 1, 0), n = shape.count == 0 ? 1 : shape[outer]
    let step = (a: shape.count == 0 ? 1 : strides.a[outer], b: shape.count == 0 ? 1 : strides.b[outer])
    let first = ArrayView(data: a.data, shape: shape, strides: strides.a)
    let second = ArrayView(data: b.data, shape: shape, strides: strides.b)
    let piece = min(n, 32_768), perRow = ceilDivide(n, piece), rowsPerTask = max(1, 16_384 / n)
    let writer = RowWriter<T>(total: total), kind = args.kind
    ThreadPool.run(
        ceilDivide(total / n, rowsPerTask) * perRow, threads: ThreadPool.threads(forWork: total &* 4)
    ) { task, _ in
        let start = task % perRow * piece, row = task / perRow * rowsPerTask
        for r in row..<min(row + rowsPerTask, total / n) {
            let u = first.data + (first.offset(r, dims: outer) + start * step.a)
            let v = second.data + (second.offset(r, dims: outer) + start * step.b)
            writer.write(y + (r * n + start), min(piece, n - start)) { i, to, n in
                combineRow(kind, u + i * step.a, step.a, v + i * step.b, step.b, to, n)
            }
        }
        writer.end()
    }
}

/// One row; numbers that lie apart are gathered.
private func combineRow<T: Element>(
    _ kind: Int64, _ a: UnsafePointer<T>, _ aStep: Int, _ b: UnsafePointer<T>, _ bStep: Int, _ y: UnsafeMutablePointer<T>, _ n: Int
) {
    if (aStep == 0 || aStep == 1) && (bStep == 0 || bStep == 1) && aStep | bStep != 0 {
        return T.kernels.pointee.combine(kind, a, Int64(aStep), b, Int64(bStep), y, Int64(n))
    }
    let most = 128
    withUnsafeTemporaryAllocation(of: T.self, capacity: 2 * most) { buffer in
        let u = buffer.baseAddress.unsafelyUnwrapped, v = u + most
        for i in stride(from: 0, to: n, by: most) {
            let count = Int64(min(most, n - i))
            T.kernels.pointee.copy(a + i * aStep, Int64(aStep), u, count)
            T.kernels.pointee.copy(b + i * bStep, Int64(bStep), v, count)
            T.kernels.pointee.combine(kind, u, 1, v, 1, y + i, count)
        }
    }
}
