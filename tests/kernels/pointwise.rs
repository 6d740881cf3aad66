//! RMSNorm, rotary embedding and SwiGLU.

use super::*;

#[test]
fn rms_norm_agrees_with_the_reference() {
    let scale = prop::sample::select(vec![0.0f32, 1e-4, 1.0, 1e4]);
    let width = prop_oneof![1usize..=70, 71usize..=1100];
    let eps = prop::sample::select(vec![1e-6f32, 1e-5]);
    run(50, (rows(), width, scale, eps, any::<u64>()), |(n, d, scale, eps, seed)| {
        let mut noise = Noise(seed);
        let (x, weight) = (noise.values(n * d, scale), noise.values(d, 2.0));
        let exact: Vec<Exact> = x
            .chunks_exact(d)
            .flat_map(|row| {
                let mean = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / d as f64;
                let factor = 1.0 / (mean + f64::from(eps)).sqrt();
                let value = move |(&x, &w): (&f32, &f32)| f64::from(x) * factor * f64::from(w);
                row.iter().zip(&weight).map(value)
            })
            .map(|value| Exact { value, magnitude: value.abs() })
            .collect();
        let weight = tensor(&weight, [d]);
        let found = values(Flex::rms_norm(tensor(&x, [n, d]), &weight, eps));
        check("kernel", &found, &exact)?;
        check("reference", &values(norm::reference::rms_norm(tensor(&x, [n, d]), &weight, eps)), &exact)?;
        for row in [0, n / 2, n - 1].map(|row| row * d..(row + 1) * d) {
            let alone = values(Flex::rms_norm(tensor(&x[row.clone()], [1, d]), &weight, eps));
            prop_assert_eq!(bits(&alone), bits(&found[row]));
        }
        Ok(())
    });
}

#[test]
fn rotary_agrees_with_the_reference() {
    run(50, (rows(), 1usize..=9, 1usize..=48, any::<u64>()), |(n, heads, half, seed)| {
        let head_dim = 2 * half;
        let mut noise = Noise(seed);
        let x = noise.values(n * heads * head_dim, 100.0);
        let angles = noise.values(n * half, 500.0);
        let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
        let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
        let exact: Vec<Exact> = (0..x.len())
            .map(|i| {
                let (row, d) = (i / (heads * head_dim), i % head_dim);
                let angle = row * half + d % half;
                let (c, s) = (f64::from(cos[angle]), f64::from(sin[angle]));
                let other = if d < half { -f64::from(x[i + half]) } else { f64::from(x[i - half]) };
                let (own, other) = (f64::from(x[i]) * c, other * s);
                Exact { value: own + other, magnitude: own.abs() + other.abs() }
            })
            .collect();
        let rotate = |rows: Range<usize>| {
            let x = tensor(
                &x[rows.start * heads * head_dim..rows.end * heads * head_dim],
                [rows.len(), heads, head_dim],
            );
            let table = |t: &[f32]| tensor(&t[rows.start * half..rows.end * half], [rows.len(), half]);
            (x, table(&cos), table(&sin))
        };
        let (all, c, s) = rotate(0..n);
        let found = values(Flex::rotary(all.clone(), &c, &s));
        check("kernel", &found, &exact)?;
        check("reference", &values(rotary::reference::rotary(all, &c, &s)), &exact)?;
        let (last, c, s) = rotate(n - 1..n);
        prop_assert_eq!(
            bits(&values(Flex::rotary(last, &c, &s))),
            bits(&found[(n - 1) * heads * head_dim..])
        );
        Ok(())
    });
}

#[test]
fn swiglu_agrees_with_the_reference_up_to_extreme_gates() {
    let scale = prop::sample::select(vec![1.0f32, 20.0, 100.0, 1e4]);
    run(50, (rows(), 1usize..=300, scale, any::<u64>()), |(n, d, scale, seed)| {
        let mut noise = Noise(seed);
        let (gate, up) = (noise.values(n * d, scale), noise.values(n * d, scale));
        let exact: Vec<Exact> = gate
            .iter()
            .zip(&up)
            .map(|(&g, &u)| {
                let (g, u) = (f64::from(g), f64::from(u));
                let value = g / (1.0 + (-g).exp()) * u;
                // Below gates of -87 an f32 has no room for the result, which then may be a zero.
                Exact { value, magnitude: value.abs() + 1e-28 * u.abs() }
            })
            .collect();
        let pair = |rows: Range<usize>| {
            let part = |x: &[f32]| tensor(&x[rows.start * d..rows.end * d], [rows.len(), d]);
            (part(&gate), part(&up))
        };
        let (g, u) = pair(0..n);
        let found = values(Flex::swiglu(g.clone(), u.clone()));
        check("kernel", &found, &exact)?;
        check("reference", &values(activation::reference::swiglu(g, u)), &exact)?;
        let (g, u) = pair(n / 2..n / 2 + 1);
        prop_assert_eq!(bits(&values(Flex::swiglu(g, u))), bits(&found[n / 2 * d..(n / 2 + 1) * d]));
        Ok(())
    });
}
