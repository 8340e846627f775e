"""What the paper reports in numbers: Table 1 of No Free Lunch (arXiv 2606.07640), MNIST.

Means over three seeds. The number of images behind them is not stated, and the networks are wider
than ours: orders and changes can be compared, absolute values cannot.
"""

LEVELS = ("sgd", "0.1", "0.2", "0.3", "0.4")  # the first is the paper's sigma = 0

# Our metrics in the authors' form. The Inception Score is by another network: see `fidelity`.
COUNTERPART = {
    "FID": "fid_paper",
    "LPIPS": "lpips_paper",
    "PSNR": "psnr_paper",
    "IS": "is_lite0_paper",
    "SSIM": "ssim_paper",
}

TABLE_1 = {
    ("FID", "vae"): (27.97, 108.54, 137.97, 154.86, 169.04),
    ("FID", "gan"): (50.02, 61.86, 81.61, 92.26, 94.91),
    ("FID", "ddpm"): (66.93, 109.02, 139.42, 165.45, 182.84),
    ("LPIPS", "vae"): (0.40, 0.38, 0.38, 0.37, 0.37),
    ("LPIPS", "gan"): (0.40, 0.41, 0.41, 0.41, 0.41),
    ("LPIPS", "ddpm"): (0.42, 0.45, 0.46, 0.46, 0.47),
    ("PSNR", "vae"): (9.89, 10.47, 10.72, 10.90, 11.00),
    ("PSNR", "gan"): (9.79, 9.72, 9.75, 9.64, 9.64),
    ("PSNR", "ddpm"): (9.48, 9.21, 9.31, 9.49, 9.45),
    ("IS", "vae"): (2.13, 1.96, 1.88, 1.85, 1.86),
    ("IS", "gan"): (1.91, 2.09, 2.05, 2.01, 1.98),
    ("IS", "ddpm"): (1.91, 2.02, 2.11, 2.00, 1.91),
    ("SSIM", "vae"): (0.65, 0.65, 0.65, 0.64, 0.62),
    ("SSIM", "gan"): (0.66, 0.64, 0.64, 0.65, 0.65),
    ("SSIM", "ddpm"): (0.53, 0.42, 0.40, 0.38, 0.36),
}
